import Foundation
import Testing

/// Saved models and states, as the program itself writes and reads them.
@Suite struct CheckpointCommandTests {
    private static let run = [
        "--batch", "--preset", "micro", "--steps", "2", "--threads", "1", "--set", "training.batch=2", "--set",
        "evaluation.batches=1",
    ]

    @Test func aStateIsAModelButAModelIsNoState() throws {
        try withTemporaryFolder { folder in
            let (model, state) = (folder + "/model.safetensors", folder + "/state.safetensors")
            let command = ["--at", "1:save-state \(state)"]
            #expect(try Binary.run(Self.run + command + ["--save", model]).status == 0)
            let sample = try Binary.run(["sample", state, "--tokens", "4", "--prompt", "x"])
            #expect(sample.status == 0 && sample.output.hasPrefix("x"))
            let resumed = try Binary.run(Self.run + ["--resume", state])
            #expect(resumed.status == 0 && resumed.output.contains("step 2/2"))
            let refused = try Binary.run(Self.run + ["--resume", model])
            #expect(refused.status == 2)
            #expect(refused.errors.hasPrefix("fp4tui: \(model) is a model, and no saved state"))

            var bytes = try Data(contentsOf: URL(fileURLWithPath: state))
            bytes[bytes.count - 5] ^= 1
            try bytes.write(to: URL(fileURLWithPath: state))
            for arguments in [["sample", state], Self.run + ["--resume", state]] {
                let damaged = try Binary.run(arguments)
                #expect(damaged.status == 2)
                #expect(damaged.errors.hasPrefix("fp4tui: \(state) is damaged: its checksum is "))
            }
        }
    }

    /// A limit of the file size stands for a full disk.
    @Test func aFileThatCannotBeWrittenWholeLeavesTheOneBefore() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.safetensors"
            #expect(try Binary.run(Self.run + ["--save", path]).status == 0)
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let arguments = (Self.run + ["--save", path, "--overwrite"]).map { "'\($0)'" }.joined(separator: " ")
            let result = try Binary.shell("trap '' XFSZ; ulimit -f 200; exec '\(Binary.url.path)' \(arguments)")
            #expect(result.status == 2)
            #expect(result.errors == "fp4tui: cannot write \(path): File too large\n")
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.safetensors"])
        }
    }
}
