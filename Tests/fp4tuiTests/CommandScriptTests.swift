import Core
import Foundation
import Runs
import Testing

@testable import fp4tui

@Suite struct CommandScriptTests {
    static func write(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func linesAreCommands() {
        let commands = CommandScript.commands(
            in: "# a comment\n10: undo\n\n  50%: prec mlp.* bf16  # why\r\n1k tokens: eval", file: "f")
        #expect(commands.map(\.text) == ["10: undo", "50%: prec mlp.* bf16", "1k tokens: eval"])
        #expect(commands.map(\.origin) == ["f:2", "f:4", "f:5"])
    }

    @Test func aCommandMayHoldANumberSign() {
        let commands = CommandScript.commands(
            in: "5: save run#2.safetensors\n6: save #3 # 4\n\t#7: undo\n8: save a## #b#\n9: save b\t# c", file: "f")
        #expect(
            commands.map(\.text) == ["5: save run#2.safetensors", "6: save", "8: save a##", "9: save b"])
        #expect(commands.map(\.origin) == ["f:1", "f:2", "f:4", "f:5"])
    }

    @Test func flagsAndScriptEndUpInTheConfiguration() throws {
        let path = try Self.write("20: undo\n5: prec mlp.* bf16\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let options = try ConfigurationOptions.parse(
            ["--preset", "micro", "--script", path, "--at", "50%:eval", "--at", "7:lr 1e-3"])
        let configuration = try options.resolve()
        #expect(configuration.run.commands == ["20: undo", "5: prec mlp.* bf16", "50%:eval", "7:lr 1e-3"])
        #expect(try configuration.scheduledCommands().map(\.step) == [5, 7, 20, 500])
        #expect(configuration.toml.contains(#"commands = ["20: undo", "5: prec mlp.* bf16", "50%:eval", "7:lr 1e-3"]"#))
    }

    @Test func mistakesNameFileAndLine() throws {
        let path = try Self.write("# first\n20: undo\n5: prec layers.9.* bf16\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        func message(_ arguments: [String]) throws -> String {
            do {
                _ = try ConfigurationOptions.parse(["--preset", "micro"] + arguments).resolve()
                return ""
            } catch let error as UserError {
                return error.description
            }
        }
        #expect(try message(["--script", path]).hasPrefix("\(path):3: no module matches \"layers.9.*\""))
        #expect(try message(["--at", "9999:undo"]).hasPrefix("--at 9999:undo: "))
        #expect(try message(["--at", "9:bogus"]).contains("unknown command bogus"))
        #expect(try message(["--script", "/nonexistent"]) == "--script /nonexistent: the file does not exist")
        #expect(try message(["--set", "run.commands=[\"x\"]"]).hasPrefix("run.commands: "))
    }

    @Test func aRunWithoutAScreenIsNotPaused() throws {
        let result = try Binary.run(["--batch", "--no-record", "--preset", "micro", "--at", "3:pause"])
        #expect(result.status == 2)
        #expect(result.errors.contains("nobody could resume it"))
    }

    @Test func aRunThatIsCompleteHasNothingToGoOnWith() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        let settings = ["--batch", "--preset", "micro", "--set", "checkpoint.every=2", "--set", "evaluation.batches=1"]
        let first = try Binary.run(settings + ["--steps", "4", "--run-dir", folder, "--tensorboard"])
        #expect(first.status == 0)
        #expect(first.output.hasSuffix("\nrun    \(folder)\n"))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(names.filter { $0.hasPrefix("events.out.tfevents.") }.count == 1)
        #expect(
            Set(names).isSuperset(of: ["run.json", "events.jsonl", "commands.jsonl", "summary.json", "checkpoints"]))
        let again = try Binary.run(["--batch", "--resume", folder])
        #expect(again.status == 2)
        #expect(again.errors == "fp4tui: --resume \(folder): the run is complete: all 4 steps are done\n")
        // From an earlier step it can be trained in another way.
        let other = try Binary.run(["--batch", "--resume", folder, "--checkpoint", "2", "--at", "3:lr 1e-4"])
        #expect(other.status == 0, "\(other.errors)")
        #expect(other.output.contains("step 3: learning rate 1.00e-03 -> 1.00e-04"))
        let second = try Binary.run(settings + ["--run-dir", folder])
        #expect(second.status == 2)
        #expect(second.errors.contains("holds a run already"))
        let recipe = try Binary.run(["--batch", "--resume", folder, "--checkpoint", "2", "--recipe", "bf16"])
        #expect(recipe.errors.contains("a run that goes on keeps its recipe, zhou2025"))
    }

    @Test func runsAreNamedAndListed() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        let environment = ["FP4TUI_RUNS": root]
        let settings = ["--batch", "--preset", "micro", "--steps", "3", "--set", "evaluation.batches=1"]
        for flags in [[], [], ["--name", "mine"], ["--no-record"]] {
            #expect(try Binary.run(settings + flags, environment: environment).status == 0)
        }
        let listed = try Binary.run(["runs"], environment: environment)
        let rows = listed.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(rows.first?.prefix(4) == ["run", "state", "recipe", "step"])
        #expect(rows.dropFirst().map { $0[0] } == ["micro-1", "micro-2", "mine"])
        #expect(rows.dropFirst().allSatisfy { $0[1...3] == ["completed", "zhou2025", "3/3"] })
        let again = try Binary.run(settings + ["--name", "mine"], environment: environment)
        #expect(again.status == 2 && again.errors.contains("\(root)/mine holds a run already"))
        let wrong = try Binary.run(settings + ["--name", "a/b"], environment: environment)
        #expect(wrong.status == 2 && wrong.errors.contains("--name a/b: a run's name is the name of its folder"))
        let json = try Binary.run(["runs", root, "--json"])
        let runs = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
        #expect(runs.map { $0["checkpoint"] as? Int } == [3, 3, 3])
    }

    @Test func aRunGoesOnFromASavedState() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        func losses(_ arguments: [String]) throws -> [Int: Float] {
            let result = try Binary.run(
                ["--batch", "--json", "--preset", "micro", "--steps", "5", "--set", "optimizer.warmup=1"] + arguments)
            #expect(result.status == 0, "\(result.errors)")
            let events = try result.output.split(separator: "\n").map { try EventLine(json: String($0)).event }
            return Dictionary(
                uniqueKeysWithValues: events.compactMap { event -> (Int, Float)? in
                    if case .stepped(let metrics) = event { (metrics.step, metrics.loss) } else { nil }
                })
        }
        let whole = try losses(["--at", "3:save-state \(path)"])
        #expect(whole.count == 5)
        #expect(try losses(["--resume", path]) == whole.filter { $0.key > 3 })
        let other = try Binary.run(["--batch", "--preset", "micro", "--resume", path])
        #expect(other.status == 2)
        #expect(other.errors.contains("they must be equal"))
    }

    @Test func commandsOfARunAreReported() throws {
        let result = try Binary.run([
            "--batch", "--json", "--preset", "micro", "--steps", "4", "--set", "optimizer.warmup=1", "--at",
            "2:prec lm_head fp8", "--at", "3:stop",
        ])
        #expect(result.status == 0)
        let events = try result.output.split(separator: "\n").map { try EventLine(json: String($0)).event }
        let changes = events.compactMap { if case .precisionChanged(let change) = $0 { change } else { nil } }
        #expect(changes.map(\.step) == [2])
        #expect(changes.first?.modules.map(\.module) == [.head])
        guard case .finished(let summary)? = events.last else {
            Issue.record("no summary")
            return
        }
        #expect(summary.outcome == .stopped)
        #expect(summary.steps == 3)
    }
}
