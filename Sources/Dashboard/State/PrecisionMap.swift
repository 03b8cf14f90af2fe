import Core

/// Precision and health of every module, and what of it the user looks at and wants changed.
public struct PrecisionMap: Sendable {
    public private(set) var model: ModelConfiguration?
    /// What each linear runs in now.
    public private(set) var formats: [ModulePath: LinearFormats] = [:]

    /// Takes in what an event tells about modules; all other events are ignored.
    mutating func take(_ event: TrainingEvent) {
        switch event {
        case .started(let run):
            model = run.model
            for path in run.model.linears { formats[path] = run.plan[path] }
        case .precisionChanged(let change):
            for module in change.modules { formats[module.module] = module.formats }
        default: break
        }
    }
}

/// The three GEMMs of the selected modules, to be set one by one.
struct PrecisionPicker: Hashable, Sendable {}
