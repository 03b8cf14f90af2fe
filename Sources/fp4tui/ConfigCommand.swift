import ArgumentParser
import Core

/// `fp4tui config`: the effective configuration.
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Print the complete effective configuration as TOML.",
        usage: "fp4tui config [options]",
        discussion: """
            The output names every key with its meaning, and gives the same run when it is fed back with --config. \
            Each of these overrides the one before: the preset, the --config file, --recipe, --set, the \
            other flags.

            EXAMPLES:
              fp4tui config --preset baby > run.toml
              fp4tui config --config run.toml --set optimizer.decay=wsd

            KEYS:
            \(keys)
            """)

    /// All keys with what they mean, for a terminal of 80 columns.
    private static var keys: String {
        let width = ConfigurationKey.all.map(\.path.count).max() ?? 0
        return ConfigurationKey.all.map { key in
            LogFormat.wrapped(key.summary, label: "  " + LogFormat.left(key.path, width) + "  ", columns: 79)
        }
        .joined(separator: "\n")
    }

    @OptionGroup(title: "Configuration") var options: ConfigurationOptions

    func run() throws {
        var output = StandardOutput()
        try output.write(try options.resolve().toml)
    }
}
