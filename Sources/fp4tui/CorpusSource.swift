import Core

/// Where the tokens of a run come from.
enum CorpusSource {
    /// - Throws: `UserError` naming the file that cannot be used.
    static func corpus(for configuration: RunConfiguration) throws -> any Corpus {
        try CorpusLoader.load(configuration.data, seed: configuration.run.seed)
    }
}
