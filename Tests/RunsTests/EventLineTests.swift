import Core
import Foundation
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

    @Test func aPlanIsTheSameTextHoweverItCameAbout() throws {
        let paths = (0..<12).map { ModulePath.layer($0, "mlp.up") } + [.head]
        var plan = PrecisionPlan(general: LinearFormats(.fp8), linears: [:], attentionCore: .bf16)
        var other = plan
        for path in paths { plan.linears[path] = LinearFormats(.bf16) }
        for path in paths.reversed() { other.linears[path] = LinearFormats(.bf16) }
        let text = try LineCoding.text(plan)
        #expect(text == (try LineCoding.text(other)))
        #expect(text.contains(#""linears":{"layers.0.mlp.up":{"dgrad""#) && text.contains(#""lm_head":{"#))
        #expect(try LineCoding.value(PrecisionPlan.self, from: Data(text.utf8)) == plan)
    }

    /// Recordings made before paths were keys.
    @Test func olderPlansAreRead() throws {
        let plan = PrecisionPlan(uniform: .fp8)
        let formats = try LineCoding.text(LinearFormats(.bf16))
        let text = try LineCoding.text(plan)
        let older = text.replacing(#"{"lm_head":\#(formats)}"#, with: #"["lm_head",\#(formats)]"#)
        #expect(older != text)
        #expect(try LineCoding.value(PrecisionPlan.self, from: Data(older.utf8)) == plan)
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
