import Core
import Foundation
import KernelInterface
import Runs
import Testing

@testable import fp4tui

/// Rescues, and recipes of one's own, as a user has them: with files and flags.
@Suite struct RescueCommandTests {
    /// Small enough for a debug build.
    private static let small = [
        "--batch", "--json", "--threads", "1", "--preset", "micro", "--steps", "30", "--set", "model.layers=4",
        "--set", "model.width=32", "--set", "model.context=16", "--set", "training.batch=8", "--set",
        "data.language_words=200", "--set", "evaluation.batches=1", "--set", "health.probe_every=0", "--set",
        "sampling.every=0", "--set", "optimizer.warmup=3",
    ]

    private static func recipe(_ trigger: String) -> String {
        """
        inherits = "zhou2025"
        name = "misbehaving"
        attention = "fp8"
        feed_forward = "fp8"
        head = "fp8"
        clipping_scope = "off"
        target_fraction = 0
        \(trigger)
        """
    }

    private static func run(_ folder: String, trigger: String, script: String) throws
        -> (status: Int32, events: [TrainingEvent])
    {
        try recipe(trigger).write(toFile: folder + "/recipe.toml", atomically: true, encoding: .utf8)
        try script.write(toFile: folder + "/script.txt", atomically: true, encoding: .utf8)
        let result = try Binary.run(
            small + ["--no-record", "--recipe", folder + "/recipe.toml", "--script", folder + "/script.txt"])
        return (result.status, try result.output.split(separator: "\n").map { try EventLine(json: String($0)).event })
    }

    private static func changes(_ events: [TrainingEvent]) -> [PrecisionChange] {
        events.compactMap { if case .precisionChanged(let change) = $0 { change } else { nil } }
    }

    private static func losses(_ events: [TrainingEvent]) -> [Float] {
        events.compactMap { if case .stepped(let metrics) = $0 { metrics.loss } else { nil } }
    }

    @Test func aRunThatWouldEndWithNaNGoesOn() throws {
        try withTemporaryFolder { folder in
            let script = "# zeros times infinity\n10: prec layers.2.mlp.down forward =e2m1:row:fp32+prescale=1e-42\n"
            let left = try Self.run(folder, trigger: "", script: script)
            #expect(left.status == 1)
            #expect(Self.losses(left.events).count == 11)
            #expect(Self.losses(left.events).last?.isNaN == true)
            let rescued = try Self.run(folder, trigger: "rescue_non_finite = true", script: script)
            #expect(rescued.status == 0)
            let losses = Self.losses(rescued.events)
            #expect(losses.count == 30)
            #expect(losses.allSatisfy { $0.isFinite })
            #expect(losses[29] < losses[9])
            let rescue = try #require(Self.changes(rescued.events).last)
            #expect(rescue.modules.map(\.module) == [.layer(2, "mlp.down"), .layer(3, "attn.q")])
            #expect(rescue.summary.hasPrefix("non-finite, the loss is not finite, first seen in the forward pass of "))
        }
    }

    @Test func aSpikeIsTakenBack() throws {
        try withTemporaryFolder { folder in
            let script =
                "20: prec layers.{1,2}.* forward =e2m1:row:fp32+prescale=0.01  # all zeros\n20: prec lm_head "
                + "forward =e2m1:row:fp32+prescale=0.01\n"
            let left = try Self.run(folder, trigger: "", script: script)
            let rescued = try Self.run(
                folder, trigger: "spike_sigma = 4\nspike_window = 8", script: script)
            #expect(left.status == 0 && rescued.status == 0)
            let changes = Self.changes(rescued.events).filter { if case .rule = $0.cause { true } else { false } }
            #expect(changes.first?.step == 21)
            #expect(changes.first?.modules.contains { $0.module == .head } == true)
            #expect(changes.allSatisfy { $0.modules.count <= 2 })
            #expect(Self.losses(rescued.events)[29] < Self.losses(left.events)[29] - 0.5)
        }
    }

    /// FP8's bits may depend on the kernels.
    @Test func aRunIsTrainedAgainWithTheKernelsThatItHad() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let first = try Binary.run(
                Self.small + ["--steps", "3", "--recipe", "fp8-block", "--run-dir", run]
                    + ["--set", "run.kernels=portable"])
            #expect(first.status == 0, "\(first.errors)")
            let manifest = try RunManifest.read(RunFolder(run))
            #expect(manifest.configuration.run.kernels == "portable")
            // As if it had been chosen by the machine.
            for name in try FileManager.default.contentsOfDirectory(atPath: run) where name.hasSuffix(".json") {
                let text = try String(contentsOfFile: "\(run)/\(name)", encoding: .utf8)
                try text.replacingOccurrences(of: "\"portable\"", with: "\"auto\"").write(
                    toFile: "\(run)/\(name)", atomically: true, encoding: .utf8)
            }
            try #expect(RunManifest.read(RunFolder(run)).configuration.run.kernels == "auto")
            let again = try Binary.run(["rerun", run])
            #expect(again.output.hasPrefix("the same bits: 3 steps"), "\(again.output) \(again.errors)")
            #expect(again.errors.isEmpty)
            if KernelTier.available.contains(.avx512bf16) {
                let other = try Binary.run(["rerun", run, "--kernels", "avx512bf16"])
                #expect(other.status == 1)
                #expect(other.output.hasPrefix("different: "))
                #expect(other.errors == "The run had the kernels portable; with others FP8 has other bits.\n")
            }
        }
        #expect(RerunCommand.runnable("portable") == "portable")
        #expect(RerunCommand.runnable("sse") == nil)
        #expect(RerunCommand.runnable(nil) == nil)
        for tier in KernelTier.allCases {
            #expect((RerunCommand.runnable(tier.rawValue) != nil) == KernelTier.available.contains(tier))
        }
    }

    @Test func aRunDoesNotNeedItsRecipeFileAgain() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/mine.toml", folder + "/run")
            try "inherits = \"nvfp4\"\nname = \"mine\"\nhadamard = false\nlast_layers = 0\n".write(
                toFile: file, atomically: true, encoding: .utf8)
            let first = try Binary.run(
                Self.small + ["--steps", "12", "--recipe", file, "--run-dir", run]
                    + ["--at", "6:recipe nvfp4:hadamard=false", "--set", "checkpoint.every=4"])
            #expect(first.status == 0, "\(first.errors)")
            // Another recipe under the same name, and then none.
            try "inherits = \"bf16\"\nname = \"mine\"\n".write(toFile: file, atomically: true, encoding: .utf8)
            let changed = try Binary.run(["rerun", run])
            #expect(changed.output.hasPrefix("the same bits: 12 steps"), "\(changed.output) \(changed.errors)")
            try FileManager.default.removeItem(atPath: file)
            let gone = try Binary.run(["rerun", run])
            #expect(gone.output == changed.output && gone.status == 0)
            let resumed = try Binary.run(["--batch", "--json", "--resume", run, "--checkpoint", "8"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            let again = try resumed.output.split(separator: "\n").map { try EventLine(json: String($0)).event }
            let before = try first.output.split(separator: "\n").map { try EventLine(json: String($0)).event }
            #expect(Self.losses(again) == Array(Self.losses(before).suffix(4)))
        }
    }
}
