import ArgumentParser
import Core
import Foundation

/// `fp4tui presets`: the named configurations.
struct PresetsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presets",
        abstract: "List the named configurations.",
        usage: "fp4tui presets [--json]",
        discussion: """
            The number of parameters depends on the vocabulary: 256 for text, 50,257 for GPT-2 tokens. \
            'fp4tui config --preset NAME' prints all settings of one.
            """)

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        var output = StandardOutput()
        try output.write(try json ? Self.json() : Self.table())
    }

    /// A preset as `--json` prints it.
    struct Row: Codable, Hashable {
        var name: String
        var summary: String
        var parametersForText: Int
        var parametersForTokens: Int
        var layers: Int
        var heads: Int
        var keyValueHeads: Int
        var width: Int
        var context: Int
        var batch: Int
        var accumulation: Int
        var steps: Int

        init(_ preset: Preset) {
            let configuration = preset.configuration
            name = preset.name
            summary = preset.summary
            parametersForText = configuration.model.parameterCount(vocabularySize: 256)
            parametersForTokens = configuration.model.parameterCount(vocabularySize: 50_257)
            layers = configuration.model.layers
            heads = configuration.model.heads
            keyValueHeads = configuration.model.keyValueHeads
            width = configuration.model.width
            context = configuration.model.context
            batch = configuration.training.batch
            accumulation = configuration.training.accumulation
            steps = configuration.run.steps
        }
    }

    static func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(Preset.all.map(Row.init)), as: UTF8.self) + "\n"
    }

    static func table() -> String {
        let header = ["preset", "text", "tokens", "layers", "heads", "width", "context", "batch", "steps"]
        let rows = Preset.all.map(Row.init).map { row in
            let heads = row.heads == row.keyValueHeads ? "\(row.heads)" : "\(row.heads)/\(row.keyValueHeads)"
            let batch = row.accumulation == 1 ? "\(row.batch)" : "\(row.batch)x\(row.accumulation)"
            return [
                row.name, LogFormat.magnitude(row.parametersForText), LogFormat.magnitude(row.parametersForTokens),
                "\(row.layers)", heads, "\(row.width)", "\(row.context)", batch, "\(row.steps)",
            ]
        }
        let columns = LogFormat.columns([header] + rows, leftAligned: 1)
        let summaries = [""] + Preset.all.map { "  " + $0.summary }
        return zip(columns, summaries).map { $0 + $1 + "\n" }.joined()
    }
}
