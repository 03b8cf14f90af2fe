import Core
import Foundation
import Testing

@testable import Runs

@Suite struct RecordingTailTests {
    private static func append(_ text: String, _ folder: RunFolder) throws {
        let file = try #require(FileHandle(forWritingAtPath: folder.eventsPath))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    private static func steps(_ lines: [EventLine]) -> [Int] {
        lines.map { if case .evaluated(let evaluation) = $0.event { evaluation.step } else { -1 } }
    }

    @Test func firstThePastAndThenWhatComes() throws {
        let folder = try RunRecordingTests.folder([
            try RunRecordingTests.evaluated(1), try RunRecordingTests.evaluated(2),
            try RunRecordingTests.resumed(step: 1, lines: 1), try RunRecordingTests.evaluated(3), "",
        ])
        let tail = RecordingTail(folder)
        #expect(Self.steps(try tail.past()) == [1, 3])
        #expect(try tail.next() == [])
        let line = try RunRecordingTests.evaluated(4)
        try Self.append(String(line.prefix(10)), folder)
        #expect(try tail.next() == [])
        try Self.append(String(line.dropFirst(10)) + "\n" + (try RunRecordingTests.evaluated(5)) + "\n", folder)
        #expect(Self.steps(try tail.next()) == [4, 5])
    }

    @Test func anotherProcessIsNoticed() throws {
        let folder = try RunRecordingTests.folder([try RunRecordingTests.evaluated(1), ""])
        let tail = RecordingTail(folder)
        _ = try tail.past()
        try Self.append(try RunRecordingTests.resumed(step: 1, lines: 1) + "\n", folder)
        #expect(throws: UserError("\(folder.eventsPath):2: another process went on with the run")) { try tail.next() }
    }

    @Test func damageIsNamed() throws {
        let folder = try RunRecordingTests.folder([try RunRecordingTests.evaluated(1), "{", ""])
        let tail = RecordingTail(folder)
        #expect(throws: UserError("\(folder.eventsPath):2: the line is damaged, or another version wrote it")) {
            try tail.past()
        }
    }
}
