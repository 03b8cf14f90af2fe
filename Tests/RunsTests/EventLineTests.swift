import Core
import Testing

@testable import Runs

/// What a line of a recording says is what was told.
@Suite struct EventLineTests {
    private static func events() throws -> [TrainingEvent] {
        let figures = ModuleSensitivity(
            module: .layer(0, "mlp.up"), precision: .fp4, lossChange: -.infinity, gradientError: 0.25,
            wholeGradientError: 0.125)
        var schedule = PrecisionSchedule()
        schedule.phases = [try PrecisionPhase(parsing: "80%: mlp.* bf16")]
        schedule.targetFraction = 0.1
        return [
            .sensitivityProgress(
                SensitivityProgress(kind: .tried, step: 7, done: 3, total: 36, seconds: 1.5)),
            .sensitivityMeasured(SensitivityMap(recipe: "nvfp4", loss: 2.5, step: 4, tokens: 80, modules: [figures])),
            .scheduleChanged(step: 9, text: "schedule add 80%: mlp.* bf16", to: schedule),
            .scheduleChanged(step: 9, text: nil, to: PrecisionSchedule()),
            .commanded(step: 2, command: .measureSensitivity([.fp4, .fp8])),
            .commanded(step: 2, command: .editSchedule(.target(0.075, .fp8, .backward))),
        ]
    }

    @Test func linesAreReadBack() throws {
        for event in try Self.events() {
            let json = try EventLine(event, time: 1.5).json()
            #expect(try EventLine(json: json) == EventLine(event, time: 1.5))
        }
    }

    @Test func theirNames() throws {
        let lines = try Self.events().map { try EventLine($0).json() }
        #expect(
            lines[0] == #"{"done":3,"event":"sensitivity_progress","kind":"tried","seconds":1.5,"step":7,"total":36}"#)
        #expect(lines[1].contains(#""event":"sensitivity_measured","loss":2.5,"modules":[{"gradient_error":0.25,"#))
        #expect(lines[1].contains(#""loss_change":"-Infinity""#))
        #expect(lines[2].contains(#""event":"schedule_changed""#) && lines[2].contains(#""80%: mlp.* bf16""#))
        #expect(lines[5].contains(#""text":"schedule target 7.5% fp8 backward""#))
    }
}
