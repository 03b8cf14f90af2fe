import ArgumentParser
import Core
import Foundation

/// `fp4tui sample`: text from a saved model.
struct SampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample", abstract: "Write text with a trained model.",
        discussion: """
            Reads a model that was saved with --save (a safetensors file) and continues a prompt, token by token.

            Example: fp4tui sample model.safetensors --prompt 'ROMEO:' --tokens 300
            """)

    @Argument(help: ArgumentHelp("The saved model.", valueName: "model"))
    var model: String

    @Option(
        help: "The beginning of the text; for token data, token numbers separated by spaces. Default: a line break.")
    var prompt = ""

    @Option(parsing: .unconditional, help: "Tokens to write.")
    var tokens = 500

    @Option(
        parsing: .unconditional,
        help: "Divides the logits: below 1 safer, above 1 wilder; 0 takes the most likely token always.")
    var temperature = 0.8

    @Option(parsing: .unconditional, help: "Draw from this many most likely tokens only; 0: from all.")
    var topK = 0

    @Option(parsing: .unconditional, help: "The same seed writes the same text.")
    var seed: UInt64 = 1

    @Option(parsing: .unconditional, help: "Threads; 0: one per core.")
    var threads = 0

    @Option(help: "Instruction set: auto, portable, avx2, avx512, avx512bf16 or avx512fp16.")
    var kernels = "auto"

    func validate() throws {
        guard tokens >= 0 else { throw ValidationError("--tokens is \(tokens); expected a number from 0 up") }
        guard temperature.isFinite, temperature >= 0 else {
            throw ValidationError("--temperature is \(temperature); expected a number from 0 up")
        }
        guard topK >= 0 else { throw ValidationError("--top-k is \(topK); expected a number from 0 up") }
        guard threads >= 0 else { throw ValidationError("--threads is \(threads); expected a number from 0 up") }
    }

    func run() throws {
        let checkpoint = try Checkpoint(path: model)
        let generator = try TextGenerator(checkpoint, threads: threads, kernels: kernels)
        let options = SamplingOptions(tokens: tokens, temperature: temperature, topK: topK, seed: seed)
        // A model and a prompt that cannot be used are found before the first byte is written.
        let promptTokens = try generator.tokens(of: prompt)
        var output = StandardOutput()
        try output.write(Data(prompt.utf8))
        var failure: (any Error)?
        var isFirst = prompt.isEmpty
        // On a terminal the text itself shows how far it is.
        let isShown = isatty(STDOUT_FILENO) == 1
        var status = StatusLine()
        let remaining = RemainingTime()
        var count = 0
        generator.generate(promptTokens, options) { token in
            let data: Data
            if checkpoint.isText {
                data = Data([UInt8(truncatingIfNeeded: token)])
            } else {
                data = Data((isFirst ? "\(token)" : " \(token)").utf8)
            }
            isFirst = false
            count += 1
            if !isShown {
                let eta = remaining.text(done: count, of: tokens)
                status.show("\(100 * count / tokens)%  \(count)/\(tokens) tokens  eta \(eta)")
            }
            do {
                try output.write(data)
            } catch let error {
                failure = error
            }
            return failure == nil
        }
        status.hide()
        if let failure { throw failure }
        try output.write("\n")
    }
}
