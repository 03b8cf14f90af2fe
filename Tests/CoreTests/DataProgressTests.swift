import Testing

@testable import Core

@Suite struct DataProgressTests {
    @Test func filesAreCountedAsTheyAreFoundAndOpened() throws {
        let folder = try TemporaryDirectory()
        for index in 0..<130 { try folder.write("\(index % 3)/\(index).txt", Array("some text \(index)".utf8)) }
        var configuration = RunConfiguration.Data()
        configuration.paths = [folder.path]
        var told: [(opened: Int, total: Int)] = []
        _ = try CorpusLoader.load(configuration, seed: 1) { told.append(($0, $1)) }
        let found = told.prefix { $0.opened == 0 }.map(\.total)
        #expect(!found.isEmpty && found == found.sorted() && found.allSatisfy { $0 <= 130 })
        #expect(told.dropFirst(found.count).map(\.opened) == Array(1...130))
        #expect(told.dropFirst(found.count).allSatisfy { $0.total == 130 })
    }
}
