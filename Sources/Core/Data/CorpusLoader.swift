#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Makes the corpus that a configuration names.
public enum CorpusLoader {
    /// Files in the order named, directories recursively with their files sorted by path; no path: the built-in
    /// language.
    ///
    /// In a directory hidden files and directories, empty files and symbolic links to directories are passed over. A
    /// directory gives all its files but `.bin` ones as text, and only its `.bin` files as tokens.
    ///
    /// - Parameters:
    ///   - seed: of the run; it decides the built-in language and nothing else.
    ///   - progress: told how many files are open and how many there are; while they are looked for, that none is open
    ///     and how many are found.
    /// - Throws: `UserError` if a path cannot be used, text and tokens are mixed, or a value makes no sense.
    public static func load(
        _ configuration: RunConfiguration.Data, seed: UInt64,
        progress: (_ opened: Int, _ of: Int) -> Void = { _, _ in }
    ) throws(UserError) -> any Corpus {
        guard !configuration.paths.isEmpty else {
            return try SyntheticLanguage(words: configuration.languageWords, seed: seed)
        }
        var files: [String] = []
        for path in configuration.paths {
            guard try MappedFile.status(path).kind == .directory else {
                files.append(path)
                continue
            }
            let count = files.count
            var found: [String] = []
            try findFiles(below: path, &found) { progress(0, count + $0) }
            found = found.filter {
                switch configuration.format {
                case .auto: true
                case .text: !isTokenFile($0)
                case .tokens: isTokenFile($0)
                }
            }
            guard !found.isEmpty else {
                let wanted = configuration.format == .tokens ? ".bin file" : "file"
                throw UserError("data \"\(path)\": no usable \(wanted) in this directory")
            }
            files += found.sorted()
        }
        let encoding: FileCorpus.Encoding =
            try isTokens(files, configuration.format)
            ? .uint16(vocabularySize: configuration.vocabularySize) : .bytes
        return try FileCorpus(
            paths: files, encoding: encoding, validationFraction: configuration.validationFraction,
            progress: progress)
    }

    private static func isTokenFile(_ path: String) -> Bool { path.hasSuffix(".bin") }

    private static func isTokens(
        _ files: [String], _ format: RunConfiguration.Data.Format
    ) throws(UserError) -> Bool {
        switch format {
        case .text: return false
        case .tokens: return true
        case .auto:
            let tokens = files.first(where: isTokenFile)
            if let tokens, let text = files.first(where: { !isTokenFile($0) }) {
                throw UserError(
                    """
                    data: "\(tokens)" holds tokens and "\(text)" text; name one kind only, or set data.format to \
                    "text" or "tokens"
                    """)
            }
            return tokens != nil
        }
    }

    private static func findFiles(
        below directory: String, _ files: inout [String], progress: (_ count: Int) -> Void
    ) throws(UserError) {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw UserError("data \"\(directory)\": the directory cannot be read")
        }
        for name in names where !name.hasPrefix(".") {
            let path = directory.hasSuffix("/") ? directory + name : directory + "/" + name
            let status = try MappedFile.status(path)
            switch status.kind {
            case .file where status.byteCount > 0: files.append(path)
            case .directory where !MappedFile.isSymbolicLink(path):
                try findFiles(below: path, &files, progress: progress)
            default: break
            }
            if files.count % 64 == 63 { progress(files.count) }
        }
    }
}
