import Foundation

/// A change of the phases of precision while a run goes on.
public enum ScheduleEdit: Hashable, Sendable {
    case add(PrecisionPhase)
    /// A phase that has not begun, by its number, from 1.
    case drop(Int)
    /// All phases that have not begun, and the target precision if it has not.
    case dropAll
    /// The target precision for this share of the run, at its end.
    case target(Double, Precision, PrecisionSchedule.Scope)
    case noTarget
}

extension ScheduleEdit: TextCodable {
    /// Reads `add START: MODULES [GEMMS] PRECISION`, `drop NUMBER`, `drop all`, `target SHARE [PRECISION [SCOPE]]` or
    /// `target off`.
    ///
    /// - Throws: `UserError` that says what is wrong and what is expected.
    public init(parsing text: String) throws(UserError) {
        let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
        let rest = parts.count > 1 ? parts[1] : ""
        let words = rest.split(separator: " ").map(String.init)
        switch parts.first {
        case "add": self = .add(try PrecisionPhase(parsing: rest))
        case "drop": self = try Self.drop(words)
        case "target": self = try Self.target(words)
        default:
            let found = text.isEmpty ? "nothing" : "\"\(text)\""
            throw UserError(
                "schedule needs add, drop or target, as in schedule add 80%: layers.* bf16, schedule drop 1 or "
                    + "schedule target 7.5%; found \(found)")
        }
    }

    private static func drop(_ words: [String]) throws(UserError) -> ScheduleEdit {
        if words == ["all"] { return .dropAll }
        guard words.count == 1, let number = Int(words[0]), number > 0 else {
            throw UserError(
                "schedule drop needs the number of a phase, or all; found "
                    + (words.isEmpty ? "nothing" : "\"\(words.joined(separator: " "))\""))
        }
        return .drop(number)
    }

    private static func target(_ words: [String]) throws(UserError) -> ScheduleEdit {
        if words == ["off"] { return .noTarget }
        guard words.count <= 3, let first = words.first,
            case .fraction(let share)? = try? PrecisionPhase.Start(parsing: first), share > 0
        else {
            throw UserError(
                "schedule target needs a share of the run, as in schedule target 7.5% bf16, or off; found "
                    + (words.isEmpty ? "nothing" : "\"\(words.joined(separator: " "))\""))
        }
        let defaults = PrecisionSchedule()
        guard let precision = words.count > 1 ? Precision(rawValue: words[1]) : defaults.targetPrecision else {
            throw UserError("schedule target: \"\(words[1])\" is no precision; expected fp4, fp8 or bf16")
        }
        guard let scope = words.count > 2 ? PrecisionSchedule.Scope(rawValue: words[2]) : defaults.targetScope else {
            throw UserError("schedule target: \"\(words[2])\" is no scope; expected forward, backward or both")
        }
        return .target(share, precision, scope)
    }

    public var description: String {
        switch self {
        case .add(let phase): "add \(phase)"
        case .drop(let number): "drop \(number)"
        case .dropAll: "drop all"
        case .target(let share, let precision, let scope):
            "target \(PrecisionPhase.Start.fraction(share)) \(precision.rawValue) \(scope.rawValue)"
        case .noTarget: "target off"
        }
    }

    /// - Throws: `UserError` for a pattern that matches no module.
    func validate(for model: ModelConfiguration) throws(UserError) {
        guard case .add(let phase) = self else { return }
        for assignment in phase.assignments { _ = try assignment.pattern.linears(of: model) }
    }
}

extension PrecisionSchedule: CustomStringConvertible {
    /// One line: the phases and the target precision, or `no phases`.
    public var description: String {
        let target = targetFraction > 0 ? [targetText] : []
        let all = phases.map(\.description) + target
        return all.isEmpty ? "no phases" : all.joined(separator: " | ")
    }

    private var targetText: String {
        guard 0...1 ~= targetFraction else { return "\(targetPrecision.rawValue) for a share of \(targetFraction)" }
        let passes = targetScope == .both ? "" : ", \(targetScope.rawValue) pass only"
        return "\(targetPrecision.rawValue) for the last \(PrecisionPhase.Start.fraction(targetFraction))\(passes)"
    }

    /// What begins when, in order. Also for a schedule that was read from a damaged recording.
    ///
    /// - Parameters:
    ///   - steps: of the run.
    ///   - tokensPerStep: of an optimizer step.
    /// - Returns: the optimizer steps after which each begins, and what: `phase 1: layers.* bf16`.
    public func points(steps: Int, tokensPerStep: Int) -> [(step: Int, text: String)] {
        guard 0...1 ~= targetFraction, 0...1 << 40 ~= steps, 1...1 << 40 ~= tokensPerStep else { return [] }
        return timeline(steps: steps, tokensPerStep: tokensPerStep).map { phase in
            let what = phase.assignments.map(\.description).joined(separator: "; ")
            return (phase.step, phase.isTarget ? targetText : "\(phase.name): \(what)")
        }
    }

    /// The schedule with a change, from so many steps on.
    ///
    /// - Throws: `UserError` for a phase that is not there, or whose time has passed.
    func applying(_ edit: ScheduleEdit, at step: Int, steps: Int, tokensPerStep: Int)
        throws(UserError) -> PrecisionSchedule
    {
        var next = self
        func begin(_ phase: PrecisionPhase) -> Int { phase.start.step(steps: steps, tokensPerStep: tokensPerStep) }
        func check(_ start: Int, _ what: String) throws(UserError) {
            if start > steps {
                throw UserError("\(what) would begin after step \(start), and the run has \(steps) steps")
            }
            if start <= step {
                throw UserError(
                    "\(what) would begin after step \(start), and step \(step) is over: prec sets modules at once")
            }
        }
        switch edit {
        case .add(let phase):
            try check(begin(phase), "the phase")
            next.phases.append(phase)
        case .drop(let number):
            guard phases.indices.contains(number - 1) else {
                let there = phases.isEmpty ? "there is none" : "there are \(phases.count)"
                throw UserError("schedule drop \(number): no phase has this number; \(there)")
            }
            guard begin(phases[number - 1]) > step else {
                throw UserError("schedule drop \(number): this phase has begun already; undo takes its change back")
            }
            next.phases.remove(at: number - 1)
        case .dropAll:
            next.phases.removeAll { begin($0) > step }
            if targetStep(steps: steps) > step { next.targetFraction = 0 }
        case .target(let share, let precision, let scope):
            next.targetFraction = share
            next.targetPrecision = precision
            next.targetScope = scope
            try check(next.targetStep(steps: steps), "the target precision")
        case .noTarget:
            guard targetFraction > 0, targetStep(steps: steps) > step else {
                throw UserError(
                    targetFraction > 0
                        ? "the target precision has begun already; undo takes its change back"
                        : "schedule target off changes nothing: there is no target precision")
            }
            next.targetFraction = 0
        }
        guard next != self else { throw UserError("schedule \(edit) changes nothing") }
        return next
    }

    /// The optimizer steps after which the target precision begins, if there is one.
    func targetStep(steps: Int) -> Int { Int((Double(steps) * (1 - targetFraction)).rounded()) }
}
