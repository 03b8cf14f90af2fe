import Foundation
import Testing

@testable import Core

/// Phases of precision that are changed while a run goes on.
@Suite struct ScheduleEditTests {
    typealias Record = TrainingEngineTests.Record

    private static func record(_ commands: [String], _ change: (inout Recipe) throws -> Void = { _ in }) async throws
        -> Record
    {
        var recipe = PrecisionChangeTests.recipe
        try change(&recipe)
        return try await TrainingEngineTests.record(
            PrecisionChangeTests.configuration {
                $0.recipe = recipe
                $0.run.commands = commands
            })
    }

    private static func schedules(_ record: Record) -> [String] {
        record.events.compactMap { event in
            if case .scheduleChanged(let step, let text, let to) = event {
                "\(step) \(text ?? "-"): \(to)"
            } else {
                nil
            }
        }
    }

    @Test(arguments: [
        "add step 2000: layers.* bf16", "add 92.5%: mlp.* backward fp8; attn.q =nvfp4+sr", "drop 2", "drop all",
        "target 7.5% bf16 both", "target 10% fp8 forward", "target off",
    ])
    func anEditIsReadBack(text: String) throws {
        let command = try EngineCommand(parsing: "schedule \(text)")
        #expect(command.text == "schedule \(text)")
        #expect(command.decidesBits)
        let data = try JSONEncoder().encode(command)
        #expect(try JSONDecoder().decode(EngineCommand.self, from: data) == command)
    }

    @Test func whatIsLeftOutIsTheDefault() throws {
        #expect(try EngineCommand(parsing: "schedule target 5%").text == "schedule target 5% bf16 both")
        for (text, words) in [
            ("schedule", ["schedule needs add, drop or target", "nothing"]), ("schedule move 1", ["\"move 1\""]),
            ("schedule add 5", ["no phase"]), ("schedule drop", ["number of a phase", "nothing"]),
            ("schedule drop 0", ["\"0\""]), ("schedule target", ["share of the run", "nothing"]),
            ("schedule target 0%", ["\"0%\""]), ("schedule target 5% fp5", ["fp5", "fp4, fp8 or bf16"]),
            ("schedule target 5% fp8 up", ["up", "forward, backward or both"]),
            ("schedule target step 5", ["share of the run"]),
        ] {
            expectUserError(words) { _ = try EngineCommand(parsing: text) }
        }
    }

    @Test func aPhaseThatIsAddedIsOneOfTheRecipes() async throws {
        let phase = "step 8: layers.1.* bf16"
        let planned = try await Self.record([]) { $0.schedule.phases = [try PrecisionPhase(parsing: phase)] }
        let added = try await Self.record(["3: schedule add \(phase)"])
        let plain = try await Self.record([])
        #expect(added.losses == planned.losses)
        #expect(added.losses != plain.losses)
        #expect(PrecisionChangeTests.changes(added) == PrecisionChangeTests.changes(planned))
        #expect(Self.schedules(added) == ["3 schedule add \(phase): \(phase)"])
        let dropped = try await Self.record(["3: schedule add \(phase)", "7: schedule drop 1"])
        #expect(dropped.losses == plain.losses)
    }

    @Test func theTargetPrecisionIsMoved() async throws {
        let planned = try await Self.record([]) { $0.schedule.targetFraction = 0.25 }
        let moved = try await Self.record(["5: schedule target 25%"]) { $0.schedule.targetFraction = 0.5 }
        let off = try await Self.record(["5: schedule target off"]) { $0.schedule.targetFraction = 0.5 }
        let plain = try await Self.record([])
        #expect(moved.losses == planned.losses)
        #expect(moved.losses != plain.losses)
        #expect(off.losses == plain.losses)
        #expect(off.warnings.isEmpty)
    }

    @Test func anUndoBringsPhasesBackThatAreStillToCome() async throws {
        let phases = ["step 4: layers.0.* bf16", "step 9: layers.1.* bf16"]
        let planned = try await Self.record([]) { $0.schedule.phases = try phases.map(PrecisionPhase.init(parsing:)) }
        let late = try await Self.record([]) {
            $0.schedule.phases = try phases[1...].map(PrecisionPhase.init(parsing:))
        }
        let early = try await Self.record(["2: schedule drop all", "3: undo"]) {
            $0.schedule.phases = try phases.map(PrecisionPhase.init(parsing:))
        }
        #expect(early.losses == planned.losses)
        #expect(Self.schedules(early).last == "3 -: " + phases.joined(separator: " | "))
        // What has passed in the meantime does not begin.
        let after = try await Self.record(["2: schedule drop all", "6: undo"]) {
            $0.schedule.phases = try phases.map(PrecisionPhase.init(parsing:))
        }
        #expect(after.losses == late.losses)
    }

    @Test func whatCannotBeIsAWarning() async throws {
        let record = try await Self.record([
            "5: schedule add step 5: layers.* bf16", "5: schedule add step 13: layers.* bf16", "5: schedule drop 2",
            "5: schedule drop 1", "5: schedule target 90%", "5: schedule target off", "5: schedule drop all",
        ]) { $0.schedule.phases = [try PrecisionPhase(parsing: "step 3: layers.* bf16")] }
        #expect(
            record.warnings == [
                "the phase would begin after step 5, and step 5 is over: prec sets modules at once",
                "the phase would begin after step 13, and the run has 12 steps",
                "schedule drop 2: no phase has this number; there are 1",
                "schedule drop 1: this phase has begun already; undo takes its change back",
                "the target precision would begin after step 1, and step 5 is over: prec sets modules at once",
                "schedule target off changes nothing: there is no target precision",
                "schedule drop all changes nothing",
            ])
        #expect(Self.schedules(record).isEmpty)
        expectUserError(["layers.9"]) {
            _ = try TrainingEngineTests.engine(
                PrecisionChangeTests.configuration { $0.run.commands = ["2: schedule add 50%: layers.9.* fp8"] })
        }
    }

    @Test func aRunThatGoesOnHasTheBitsOfOneThatWasNotInterrupted() async throws {
        let folder = try TemporaryDirectory()
        for step in [3, 4, 6, 9] {
            let path = folder.path + "/\(step).safetensors"
            let configuration = PrecisionChangeTests.configuration {
                $0.recipe.schedule.targetFraction = 0.5
                $0.run.commands = [
                    "2: schedule add step 5: mlp.* bf16", "3: schedule target 25% fp8 backward",
                    "\(step): save-state \(path)", "7: schedule add step 8: attn.* bf16", "10: undo",
                ]
            }
            let whole = try await TrainingEngineTests.record(configuration)
            #expect(whole.warnings.isEmpty)
            let engine = try TrainingEngine(
                configuration: configuration,
                corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed), resuming: path)
            let channel = engine.subscribe()
            let summary = await engine.run()
            let resumed = Record(events: channel.drain(), summary: summary)
            #expect(resumed.losses == Array(whole.losses[step...]))
            #expect(resumed.norms == Array(whole.norms[step...]))
            let changes = PrecisionChangeTests.changes(resumed)
            #expect(changes == PrecisionChangeTests.changes(whole).suffix(changes.count))
            // Who joins now is told what the phases have become.
            let expected = "step 5: mlp.* bf16 | fp8 for the last 25%, backward pass only"
            #expect(Self.schedules(resumed).first == "\(step) -: \(step == 9 ? Self.last : expected)")
        }
    }

    private static let last = "step 5: mlp.* bf16 | step 8: attn.* bf16 | fp8 for the last 25%, backward pass only"

    @Test func damagedSchedulesHaveNoPoints() throws {
        var schedule = PrecisionSchedule()
        schedule.phases = [try PrecisionPhase(parsing: "1M tokens: mlp.* fp8")]
        schedule.targetFraction = 0.1
        #expect(schedule.points(steps: 1000, tokensPerStep: 2000).map(\.step) == [500, 900])
        #expect(schedule.points(steps: 1000, tokensPerStep: 0).isEmpty)
        #expect(schedule.points(steps: .max, tokensPerStep: .max).isEmpty)
        for fraction in [Double.nan, .infinity, -1, 1e300] {
            schedule.targetFraction = fraction
            #expect(schedule.points(steps: 1000, tokensPerStep: 2000).isEmpty)
            _ = schedule.description
        }
    }
}
