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
