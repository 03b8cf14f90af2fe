import Foundation
import Testing

@testable import Core

@Suite struct DataFileTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// A random number that selects position `offset` out of `choices`.
    private func random(_ offset: Int, of choices: Int) -> UInt64 {
        let width = UInt64.max / UInt64(choices)
        return UInt64(offset) * width + width / 2
    }

    /// Every window of every length in both splits is the slice of the concatenation.
    private func expectWindows(of corpus: any Corpus, equal all: [Int32], training: Int) throws {
        #expect(corpus.tokenCount(.training) == training)
        #expect(corpus.tokenCount(.validation) == all.count - training)
        for (split, part) in [(Split.training, all[..<training]), (.validation, all[training...])] {
            for length in 1...part.count {
                let choices = part.count - length + 1
                for offset in 0..<choices {
                    let from = part.startIndex + offset
                    let window = try corpus.window(length, split, random: random(offset, of: choices))
                    #expect(window == Array(all[from..<from + length]))
                }
                let last = try corpus.window(length, split, random: .max)
                #expect(last == Array(part.suffix(length)))
            }
        }
    }

    @Test func windowsOfText() throws {
        let file = try directory.write("a.txt", (0..<50).map { UInt8(200 + $0) })
        let corpus = try FileCorpus(paths: [file], encoding: .bytes, validationFraction: 0.2)
        #expect(corpus.isText)
        #expect(corpus.vocabularySize == 256)
        #expect(corpus.entropyRate == nil)
        try expectWindows(of: corpus, equal: (200..<250).map { Int32($0) }, training: 40)
    }

    @Test func windowsCrossFiles() throws {
        let sizes = [7, 1, 12, 2]
        var next: UInt8 = 0
        let files = try sizes.enumerated().map { index, size in
            defer { next += UInt8(size) }
            return try directory.write("part\(index)", (0..<UInt8(size)).map { next + $0 })
        }
        let corpus = try FileCorpus(paths: files, encoding: .bytes, validationFraction: 0.3)
        try expectWindows(of: corpus, equal: (0..<22).map { Int32($0) }, training: 15)
    }

    @Test func tokensWithAndWithoutHeader() throws {
        let raw = try directory.write("raw.bin", tokens: (0..<9).map { 1000 * $0 })
        let headed = try directory.write("headed.bin", tokens: [40_000, 65_535, 3], header: [20_240_520, 1, 3])
        let corpus = try FileCorpus(
            paths: [raw, headed], encoding: .uint16(vocabularySize: 65_536), validationFraction: 0.5)
        #expect(!corpus.isText)
        try expectWindows(of: corpus, equal: (0..<9).map { 1000 * $0 } + [40_000, 65_535, 3], training: 6)
    }

    /// The first 90 % of Tiny Shakespeare's 1,115,394 bytes are 1,003,854, as nanoGPT counts.
    @Test func splitsAsNanoGPT() throws {
        let file = try directory.write("input.txt", [UInt8](repeating: 65, count: 1_115_394))
        let corpus = try FileCorpus(paths: [file], encoding: .bytes, validationFraction: 0.1)
        #expect(corpus.tokenCount(.training) == 1_003_854)
        #expect(corpus.tokenCount(.validation) == 111_540)
    }

    @Test func tenGigabytesOpenAtOnce() throws {
        let file = try directory.write("large", [])
        let size = 10 << 30
        try #require(truncate(file, size) == 0)
        let start = ContinuousClock.now
        let corpus = try FileCorpus(paths: [file], encoding: .bytes, validationFraction: 0.1)
        #expect(try corpus.window(3, .validation, random: .max) == [0, 0, 0])
        #expect(ContinuousClock.now - start < .milliseconds(100))
        #expect(corpus.tokenCount(.training) + corpus.tokenCount(.validation) == size)
    }

    @Test func directoriesInOrderOfPath() throws {
        try directory.write("data/b.txt", [2])
        try directory.write("data/a/z.txt", [1])
        try directory.write("data/a/empty.txt", [])
        try directory.write("data/.hidden", [9])
        try directory.write("data/.git/config", [9])
        try directory.write("data/c", [3, 4])
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/data/loop", withDestinationPath: directory.path + "/data")
        let last = try directory.write("0.txt", [5])
        var configuration = RunConfiguration.Data()
        configuration.paths = [directory.path + "/data/", last]
        configuration.validationFraction = 0.9
        expectUserError(["0.9", "5 tokens"]) { _ = try CorpusLoader.load(configuration, seed: 1) }
        configuration.validationFraction = 0.2
        let corpus = try CorpusLoader.load(configuration, seed: 1)
        #expect(try corpus.window(4, .training, random: 0) == [1, 2, 3, 4])
        #expect(try corpus.window(1, .validation, random: 0) == [5])
        #expect(corpus.summary.contains("4 files"))
    }

    @Test func formats() throws {
        try directory.write("mixed/train.bin", tokens: [0x4142, 0x4344])
        try directory.write("mixed/input.txt", Array("text".utf8))
        var configuration = RunConfiguration.Data()
        configuration.paths = [directory.path + "/mixed"]
        configuration.validationFraction = 0.5
        expectUserError(["train.bin", "input.txt", "data.format"]) {
            _ = try CorpusLoader.load(configuration, seed: 1)
        }
        configuration.format = .text
        let text = try CorpusLoader.load(configuration, seed: 1)
        #expect(try text.window(2, random: 0) == Array("te".utf8).map { Int32($0) })
        configuration.format = .tokens
        let tokens = try CorpusLoader.load(configuration, seed: 1)
        #expect(try tokens.window(1, random: 0) == [0x4142])
        // A file that is named is taken as it was asked for.
        configuration.paths = [directory.path + "/mixed/train.bin"]
        configuration.format = .text
        #expect(try CorpusLoader.load(configuration, seed: 1).window(2, random: 0) == [0x42, 0x41])
        configuration.format = .auto
        #expect(try CorpusLoader.load(configuration, seed: 1).isText == false)
    }

    @Test func noPathIsTheBuiltInLanguage() throws {
        var configuration = RunConfiguration.Data()
        configuration.languageWords = 50
        let corpus = try CorpusLoader.load(configuration, seed: 5)
        #expect(corpus.entropyRate == (try SyntheticLanguage(words: 50, seed: 5).entropyRate))
        #expect(corpus.summary.contains("50 words"))
    }

    // MARK: Mistakes

    private func load(_ paths: [String], _ change: (inout RunConfiguration.Data) -> Void = { _ in }) throws {
        var configuration = RunConfiguration.Data()
        configuration.paths = paths
        change(&configuration)
        _ = try CorpusLoader.load(configuration, seed: 1)
    }

    @Test func unusablePaths() throws {
        let missing = directory.path + "/missing.txt"
        expectUserError([missing, "does not exist"]) { try load([missing]) }
        let empty = try directory.write("empty.txt", [])
        expectUserError([empty, "is empty"]) { try load([empty]) }
        try directory.write("hollow/.hidden", [1])
        expectUserError(["hollow", "no usable file"]) { try load([directory.path + "/hollow"]) }
        try directory.write("words/a.txt", [1, 2])
        expectUserError(["words", "no usable .bin file"]) {
            try load([directory.path + "/words"]) { $0.format = .tokens }
        }
        expectUserError(["/dev/null", "neither a file nor a directory"]) { try load(["/dev/null"]) }
        expectUserError(["loop"]) {
            let loop = directory.path + "/loop"
            try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: loop)
            try load([loop])
        }
    }

    @Test(.enabled(if: geteuid() != 0, "the superuser may read everything")) func unreadableFile() throws {
        let secret = try directory.write("secret.txt", [1, 2, 3])
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: secret)
        expectUserError([secret, "cannot be read", "ermission"]) { try load([secret]) }
    }

    @Test func malformedTokenFiles() throws {
        let odd = try directory.write("odd.bin", [1, 2, 3])
        expectUserError([odd, "3 bytes"]) { try load([odd]) }
        let short = try directory.write("short.bin", tokens: [1, 2], header: [20_240_520, 1, 3])
        expectUserError([short, "3 tokens", "1030 bytes", "1028 bytes"]) { try load([short]) }
        let version = try directory.write("version.bin", tokens: [1, 2], header: [20_240_520, 2, 2])
        expectUserError([version, "version 2", "version 1"]) { try load([version]) }
        let cut = try directory.write("cut.bin", tokens: [0xD888, 0x0134, 1, 0, 1, 0])
        expectUserError([cut, "1026 bytes", "12 bytes"]) { try load([cut]) }
        let wide = try directory.write("wide.bin", tokens: [1, 2], header: [20_240_801, 7, 1])
        expectUserError([wide, "32-bit"]) { try load([wide]) }
    }

    @Test(arguments: [0, 1, -0.1, 1.5, Double.nan, 0.99]) func fractions(fraction: Double) throws {
        let file = try directory.write("a.txt", Array(0..<20))
        expectUserError(["data.validation_fraction", "\(fraction)"]) {
            try load([file]) { $0.validationFraction = fraction }
        }
    }

    @Test func tooShortForTheContext() throws {
        let file = try directory.write("a.txt", Array(0..<100))
        let corpus = try FileCorpus(paths: [file], encoding: .bytes, validationFraction: 0.1)
        try corpus.validate(context: 9)
        expectUserError([file, "validation", "10 tokens", "11"]) { try corpus.validate(context: 10) }
        expectUserError([file, "training", "90 tokens", "91"]) { try corpus.validate(context: 90) }
        expectUserError(["validation", "10 tokens", "11"]) {
            _ = try corpus.window(11, .validation, random: 0)
        }
        try SyntheticLanguage(words: 20, seed: 1).validate(context: 1 << 20)
    }

    @Test func tokensOutsideTheVocabulary() throws {
        let good = try directory.write("good.bin", tokens: [1, 2, 3, 99])
        let bad = try directory.write("bad.bin", tokens: [1, 2, 100, 3, 300])
        let parts = [bad, "token 2 is 100", "data.vocabulary_size = 100"]
        expectUserError(parts) { try load([good, bad]) { $0.vocabularySize = 100 } }
        // What is not read at the start is found when a window holds it, and only then.
        let late = try FileCorpus(
            paths: [good, bad], encoding: .uint16(vocabularySize: 100), validationFraction: 0.2,
            bytesCheckedAtStart: 12)
        #expect(try late.window(6, random: 0) == [1, 2, 3, 99, 1, 2])
        expectUserError(parts) { _ = try late.window(7, random: 0) }
        expectUserError([bad, "token 4 is 300"]) { _ = try late.window(1, .validation, random: .max) }
        expectUserError(["data.vocabulary_size = 0"]) { try load([good]) { $0.vocabularySize = 0 } }
    }

    /// Another program may make a file shorter while it is mapped: that is an error with a name, and no crash.
    @Test(arguments: [RunConfiguration.Data.Format.text, .tokens])
    func filesThatAreCutShort(format: RunConfiguration.Data.Format) throws {
        let file = try directory.write("a.bin", [UInt8](repeating: 1, count: 1 << 20))
        var configuration = RunConfiguration.Data()
        configuration.paths = [file]
        configuration.format = format
        let corpus = try CorpusLoader.load(configuration, seed: 1)
        let value: Int32 = format == .text ? 1 : 0x0101
        #expect(try corpus.window(4, random: .max) == [value, value, value, value])
        try #require(truncate(file, 1000) == 0)
        expectUserError([file, "cut short", "1048576 bytes"]) { _ = try corpus.window(4, random: .max) }
        // The next file at the same place in memory is another one.
        let next = try CorpusLoader.load(
            {
                configuration.paths = [try directory.write("b.bin", [UInt8](repeating: 2, count: 1 << 20))]
                return configuration
            }(), seed: 1)
        #expect(try next.window(1, random: .max) == [2 * value])
    }

    @Test func aRemovedFileStaysReadable() throws {
        let file = try directory.write("a.txt", [UInt8](repeating: 65, count: 100_000))
        let corpus = try FileCorpus(paths: [file], encoding: .bytes, validationFraction: 0.1)
        try FileManager.default.removeItem(atPath: file)
        #expect(try corpus.window(2, random: .max) == [65, 65])
    }
}
