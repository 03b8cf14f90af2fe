import ArgumentParser
import Core
import Foundation
import KernelInterface
import Runs

/// `fp4tui rerun`: trains a recorded run again, and compares the bits.
struct RerunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rerun", abstract: "Train a recorded run again and check that it has the same bits.",
        discussion: """
            Trains with the settings and the commands that were recorded, up to the last step that was, and compares
            every loss, gradient norm, learning rate and evaluation, and the weights of the last checkpoint, bit for
            bit. Nothing is written. The exit code is 0 if all are the same, and 1 if one differs. The kernels are
            those that the run had, if this processor can run them: FP8 has other bits with others, unless
            training.strict_fp8 is set.

            Example: fp4tui rerun default-1
            """)

    @Argument(help: ArgumentHelp("The run's folder, or its name in runs.", valueName: "run"))
    var run: String

    @Option(parsing: .unconditional, help: ArgumentHelp("Threads that compute; 0: one per core.", valueName: "n"))
    var threads: Int?

    @Option(help: "Instruction set: auto, portable, avx2, avx512, avx512bf16 or avx512fp16.")
    var kernels: String?

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func validate() throws {
        if let threads, threads < 0 { throw ValidationError("--threads is \(threads); expected a number from 0 up") }
    }

    func run() async throws {
        let recording = try RecordingReader.read(try RunFolder.named(run))
        var configuration = recording.manifest.configuration
        if let threads { configuration.run.threads = threads }
        let recorded = recording.description?.kernels
        let used = kernels ?? Self.runnable(recorded)
        if let used { configuration.run.kernels = used }
        let interrupts = Interrupts()
        let rerun = try Rerun(recording, configuration: configuration)
        interrupts.onFirst { [engine = rerun.engine] in engine.send(.stop(save: nil)) }
        var status = StatusLine()
        let remaining = RemainingTime()
        let result = try await rerun.train { step, total in
            let share = 100 * step / max(1, total)
            status.show("\(share)%  step \(step)/\(total)  eta \(remaining.text(done: step, of: total))")
        } working: { work in
            status.show("after step \(work.step)  \(BatchLog.text(work))")
        }
        status.hide()
        if let signal = interrupts.received { throw ExitCode(ExitStatus.interrupted(by: signal)) }
        var output = StandardOutput()
        if json {
            try output.write(try LineCoding.text(result, isPretty: true) + "\n")
        } else {
            try output.write(Self.text(result) + "\n")
        }
        if !result.isSame {
            if let recorded, used != recorded, !configuration.training.strictFP8 {
                let note = "The run had the kernels \(recorded); with others FP8 has other bits.\n"
                FileHandle.standardError.write(Data(note.utf8))
            }
            throw ExitCode(1)
        }
    }

    /// Kernels that a run had; nil if they don't run here.
    static func runnable(_ kernels: String?) -> String? {
        kernels.flatMap(KernelTier.init(rawValue:)).flatMap { KernelTier.available.contains($0) ? $0.rawValue : nil }
    }

    static func text(_ result: Rerun.Result) -> String {
        if let difference = result.difference { return "different: \(difference)" }
        let weights = result.weights > 0 ? ", and \(LogFormat.grouped(result.weights)) weights" : ""
        return "the same bits: \(LogFormat.grouped(result.steps)) steps, \(result.evaluations) evaluations\(weights)"
    }
}
