import Core
import Foundation
import Synchronization
import Testing

@testable import Runs

@Suite struct CommandServerTests {
    final class Received: Sendable {
        private let commands = Mutex<[EngineCommand]>([])
        var all: [EngineCommand] { commands.withLock { $0 } }
        func add(_ command: EngineCommand) { commands.withLock { $0.append(command) } }
    }

    /// Short, since a socket's path has at most 107 bytes.
    static func folder() throws -> RunFolder {
        let folder = RunFolder("/tmp/fp4tui-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        return folder
    }

    static func server(_ received: Received) throws -> (CommandServer, RunFolder) {
        let folder = try folder()
        return (try CommandServer(folder, model: ModelConfiguration()) { received.add($0) }, folder)
    }

    @Test func commandsArriveInOrder() throws {
        let received = Received()
        let (server, folder) = try Self.server(received)
        defer { server.close() }
        let client = try CommandClient(folder)
        var recipe = Recipe.nvfp4
        recipe.name = "mine"
        let commands: [EngineCommand] = [.pause, .setRecipe(recipe), .setLearningRate(1e-3), .resume]
        for command in commands { try client.send(command) }
        try client.send(line: "prec layers.* backward fp8")
        #expect(received.all.dropLast() == commands[...])
        #expect(received.all.last?.text == "prec layers.* backward fp8")
    }

    @Test func onlyTheUserMayConnect() throws {
        let (server, folder) = try Self.server(Received())
        defer { server.close() }
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.socketPath)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test(arguments: [
        ("fly", "unknown command fly"), ("lr much", "lr needs a number above 0"),
        ("prec layers.99.* fp8", "layers.99"), ("{\"fly\":{}}", "this JSON is no command"),
        ("{", "this JSON is no command"),
    ])
    func whatMakesNoSenseIsAnsweredAndTheConnectionStays(_ line: String, _ answer: String) throws {
        let received = Received()
        let (server, folder) = try Self.server(received)
        defer { server.close() }
        let client = try CommandClient(folder)
        let error = try #require(throws: UserError.self) { try client.send(line: line) }
        #expect(error.description.contains(answer), "\(error)")
        try client.send(.pause)
        #expect(received.all == [.pause])
    }

    @Test(arguments: [
        [0xFF, 0xFE, 0x0A], [0x70, 0x00, 0x0A], Array(repeating: 0x61, count: CommandServer.longestLine + 5000),
    ])
    func garbageIsAnsweredAndTheConnectionEnds(_ bytes: [UInt8]) throws {
        let received = Received()
        let (server, folder) = try Self.server(received)
        defer { server.close() }
        let client = try CommandClient(folder)
        let error = try #require(throws: UserError.self) { try client.send(bytes: bytes) }
        #expect(error.description.hasPrefix("this is no text") || error.description.hasPrefix("a line of more than"))
        #expect(throws: UserError.self) { try client.send(.pause) }
        // Others are not disturbed.
        try CommandClient(folder).send(.resume)
        #expect(received.all == [.resume])
    }

    @Test func clientsThatDoNotReadHoldNobodyUp() throws {
        let received = Received()
        let (server, folder) = try Self.server(received)
        defer { server.close() }
        let silent = try (0..<10).map { _ in try CommandClient(folder) }
        // Far more answers than fit into a socket's buffer.
        for client in silent { client.write(bytes: Array(String(repeating: "fly\n", count: 20_000).utf8)) }
        try CommandClient(folder).send(.pause)
        #expect(received.all == [.pause])
        withExtendedLifetime(silent) {}
    }

    @Test func nobodyListensAfterTheEnd() throws {
        let (server, folder) = try Self.server(Received())
        server.close()
        #expect(!FileManager.default.fileExists(atPath: folder.socketPath))
        #expect(throws: UserError.self) { try CommandClient(folder) }
    }

    @Test func aPathThatIsTooLongIsSaid() throws {
        let folder = RunFolder("/tmp/" + String(repeating: "x", count: 120))
        let error = try #require(throws: UserError.self) {
            try CommandServer(folder, model: ModelConfiguration()) { _ in }
        }
        #expect(error.description.hasSuffix("a socket's path has at most 107 bytes; a shorter --run-dir helps"))
    }
}

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

@Suite struct RerunTests {
    private static func recording() async throws -> RunRecording {
        let configuration = RecordedRunTests.configuration {
            $0.run.steps = 24
            $0.run.commands = ["9: pause", "20: prec mlp.* fp8"]
        }
        let run = try RecordedRunTests.create(configuration)
        try await RecordedRunTests.train(
            run,
            react: RecordedRunTests.commanding(
                9, [.setLearningRate(4e-4), .setPrecision(try .init(parsing: "attn.* bf16"))]))
        return try RunRecording(reading: run.folder)
    }

    @Test func aRunHasTheSameBitsAgain() async throws {
        let recording = try await Self.recording()
        let result = try await Rerun(recording, configuration: recording.manifest.configuration).train()
        #expect(result.difference == nil)
        #expect(result.steps == 24)
        #expect(result.evaluations == 2)
        #expect(result.weights > 10_000)
    }

    @Test func aDifferenceIsFound() async throws {
        let recording = try await Self.recording()
        let other = RunRecording(
            folder: recording.folder, manifest: recording.manifest, events: recording.events, commands: [])
        let result = try await Rerun(other, configuration: recording.manifest.configuration).train()
        #expect(result.difference?.contains(" of step 10 is ") == true, "\(result)")
    }

    @Test func aRunThatWasStoppedIsTrainedUpToItsLastStep() async throws {
        let recording = try await Self.recording()
        let events = recording.events.filter {
            if case .stepped(let metrics) = $0.event { return metrics.step <= 11 }
            return true
        }
        let part = RunRecording(
            folder: recording.folder, manifest: recording.manifest, events: events, commands: recording.commands)
        let result = try await Rerun(part, configuration: recording.manifest.configuration).train()
        #expect(result.difference == nil)
        #expect(result.steps == 11)
        #expect(result.weights == 0)
    }

    @Test func nothingToCompareIsAnError() async throws {
        let recording = try await Self.recording()
        let empty = RunRecording(folder: recording.folder, manifest: recording.manifest, events: [], commands: [])
        #expect(throws: UserError("\(recording.folder.path) has no step to compare with")) {
            try Rerun(empty, configuration: recording.manifest.configuration)
        }
    }
}
