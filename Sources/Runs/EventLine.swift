import Core
import Foundation

/// An event as one line of JSON: its kind under `event`, and its fields beside that.
public struct EventLine: Codable, Hashable, Sendable {
    public var event: TrainingEvent
    /// When it was recorded, seconds since 1970; nil where that is not told.
    public var time: Double?

    private enum Kind: String, Codable {
        case started, stepped, evaluated, sampled, saved, warning, diverged, finished
        case stateChanged = "state_changed"
        case learningRateChanged = "learning_rate_changed"
        case gradientClipChanged = "gradient_clip_changed"
        case moduleClippingChanged = "module_clipping_changed"
        case precisionChanged = "precision_changed"
        case precisionEffect = "precision_effect"
        case gradientsClipped = "gradients_clipped"
        case quantized, probed, inspected
        case forkChanged = "fork_changed"
        case forkStepped = "fork_stepped"
        case checkpointed, commanded, working
        case sensitivityProgress = "sensitivity_progress"
        case sensitivityMeasured = "sensitivity_measured"
        case scheduleChanged = "schedule_changed"
    }
    private enum Key: CodingKey { case event, time }
    private struct StateChange: Codable {
        var state: RunState
        var step: Int
    }
    private struct Change: Codable {
        var step: Int
        var from: Double
        var to: Double
    }
    private struct ClippingChange: Codable {
        var step: Int
        var from: GradientClipping
        var to: GradientClipping
    }
    private struct Saving: Codable {
        var step: Int
        var path: String
    }
    private struct Clipped: Codable {
        var step: Int
        var modules: [ClippedGradient]
    }

    private struct ForkStep: Codable {
        var step: Int
        var loss: Float
    }

    private struct Commanding: Codable {
        var step: Int
        /// As it is typed, for people.
        var text: String
        var command: EngineCommand
        var rescues: Int?
    }

    private struct ScheduleChange: Codable {
        var step: Int
        var text: String?
        var to: PrecisionSchedule
    }

    private struct Notice: Codable {
        var step: Int
        var message: String
    }

    public init(_ event: TrainingEvent, time: Double? = nil) {
        self.event = event
        self.time = time
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        time = try container.decodeIfPresent(Double.self, forKey: .time)
        switch try container.decode(Kind.self, forKey: .event) {
        case .started:
            let description = try RunDescription(from: decoder)
            guard description.hasPossibleModel else {
                throw DecodingError.dataCorruptedError(
                    forKey: .event, in: container, debugDescription: "no configuration allows this model")
            }
            event = .started(description)
        case .stepped: event = .stepped(try StepMetrics(from: decoder))
        case .evaluated: event = .evaluated(try Evaluation(from: decoder))
        case .sampled: event = .sampled(try TextSample(from: decoder))
        case .finished: event = .finished(try RunSummary(from: decoder))
        case .stateChanged:
            let change = try StateChange(from: decoder)
            event = .stateChanged(change.state, step: change.step)
        case .learningRateChanged:
            let change = try Change(from: decoder)
            event = .learningRateChanged(step: change.step, from: change.from, to: change.to)
        case .gradientClipChanged:
            let change = try Change(from: decoder)
            event = .gradientClipChanged(step: change.step, from: change.from, to: change.to)
        case .moduleClippingChanged:
            let change = try ClippingChange(from: decoder)
            event = .moduleClippingChanged(step: change.step, from: change.from, to: change.to)
        case .precisionChanged: event = .precisionChanged(try PrecisionChange(from: decoder))
        case .precisionEffect: event = .precisionEffect(try PrecisionEffect(from: decoder))
        case .gradientsClipped:
            let clipped = try Clipped(from: decoder)
            event = .gradientsClipped(step: clipped.step, modules: clipped.modules)
        case .quantized: event = .quantized(try HealthReport(from: decoder))
        case .probed: event = .probed(try ProbeReport(from: decoder))
        case .inspected: event = .inspected(try ModuleInspection(from: decoder))
        case .sensitivityProgress: event = .sensitivityProgress(try SensitivityProgress(from: decoder))
        case .sensitivityMeasured: event = .sensitivityMeasured(try SensitivityMap(from: decoder))
        case .scheduleChanged:
            let change = try ScheduleChange(from: decoder)
            event = .scheduleChanged(step: change.step, text: change.text, to: change.to)
        case .forkChanged: event = .forkChanged(try ForkChange(from: decoder))
        case .forkStepped:
            let fork = try ForkStep(from: decoder)
            event = .forkStepped(step: fork.step, loss: fork.loss)
        case .saved:
            let saving = try Saving(from: decoder)
            event = .saved(step: saving.step, path: saving.path)
        case .checkpointed:
            let saving = try Saving(from: decoder)
            event = .checkpointed(step: saving.step, path: saving.path)
        case .commanded:
            let commanding = try Commanding(from: decoder)
            event = .commanded(
                step: commanding.step, command: commanding.command, rescues: commanding.rescues ?? 0)
        case .working: event = .working(try WorkProgress(from: decoder))
        case .warning:
            let notice = try Notice(from: decoder)
            event = .warning(step: notice.step, message: notice.message)
        case .diverged:
            let notice = try Notice(from: decoder)
            event = .diverged(step: notice.step, message: notice.message)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        let (kind, fields): (Kind, any Encodable) =
            switch event {
            case .started(let description): (.started, description)
            case .stepped(let metrics): (.stepped, metrics)
            case .evaluated(let evaluation): (.evaluated, evaluation)
            case .sampled(let sample): (.sampled, sample)
            case .finished(let summary): (.finished, summary)
            case .stateChanged(let state, let step): (.stateChanged, StateChange(state: state, step: step))
            case .learningRateChanged(let step, let from, let to):
                (.learningRateChanged, Change(step: step, from: from, to: to))
            case .gradientClipChanged(let step, let from, let to):
                (.gradientClipChanged, Change(step: step, from: from, to: to))
            case .moduleClippingChanged(let step, let from, let to):
                (.moduleClippingChanged, ClippingChange(step: step, from: from, to: to))
            case .precisionChanged(let change): (.precisionChanged, change)
            case .precisionEffect(let effect): (.precisionEffect, effect)
            case .gradientsClipped(let step, let modules): (.gradientsClipped, Clipped(step: step, modules: modules))
            case .quantized(let report): (.quantized, report)
            case .probed(let report): (.probed, report)
            case .inspected(let inspection): (.inspected, inspection)
            case .sensitivityProgress(let progress): (.sensitivityProgress, progress)
            case .sensitivityMeasured(let map): (.sensitivityMeasured, map)
            case .scheduleChanged(let step, let text, let to):
                (.scheduleChanged, ScheduleChange(step: step, text: text, to: to))
            case .forkChanged(let change): (.forkChanged, change)
            case .forkStepped(let step, let loss): (.forkStepped, ForkStep(step: step, loss: loss))
            case .saved(let step, let path): (.saved, Saving(step: step, path: path))
            case .checkpointed(let step, let path): (.checkpointed, Saving(step: step, path: path))
            case .commanded(let step, let command, let rescues):
                (
                    .commanded,
                    Commanding(
                        step: step, text: command.text, command: command, rescues: rescues > 0 ? rescues : nil)
                )
            case .working(let progress): (.working, progress)
            case .warning(let step, let message): (.warning, Notice(step: step, message: message))
            case .diverged(let step, let message): (.diverged, Notice(step: step, message: message))
            }
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(kind, forKey: .event)
        try container.encodeIfPresent(time, forKey: .time)
        try fields.encode(to: encoder)
    }

    /// Without the newline. Keys are in snake case and sorted; NaN and the infinities are strings.
    public func json() throws -> String { try LineCoding.text(self) }

    /// - Throws: `DecodingError` for anything that `json` did not write.
    public init(json: String) throws { self = try LineCoding.value(EventLine.self, from: Data(json.utf8)) }
}

/// How values are written as JSON, in recordings and with `--json`, and read back.
public enum LineCoding {
    /// Without a newline at the end. Keys are in snake case and sorted; NaN and the infinities are strings.
    public static func text(_ value: some Encodable, isPretty: Bool = false) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// - Throws: `DecodingError` for anything that is not such a value.
    static func value<Value: Decodable>(_ type: Value.Type, from line: Data) throws -> Value {
        try decoder(keys: .convertFromSnakeCase).decode(type, from: line)
    }

    static func decoder(keys: JSONDecoder.KeyDecodingStrategy) -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = keys
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return decoder
    }
}
