import Foundation
import Testing

@testable import Core

/// Mutated files of all kinds. `FP4TUI_FUZZ_CASES` sets their number.
@Suite struct CheckpointFuzzTests {
    static let cases = ProcessInfo.processInfo.environment["FP4TUI_FUZZ_CASES"].flatMap { Int($0) } ?? 2000

    /// Small, with as many kinds of state as there are.
    static let configuration = TrainingEngineTests.configuration {
        $0.model.adopt(.llama)
        $0.model.layers = 1
        $0.model.heads = 1
        $0.model.keyValueHeads = 1
        $0.model.width = 8
        $0.model.tiedEmbeddings = true
        $0.model.context = 8
        $0.training.batch = 1
        $0.sampling.every = 0
        if let recipe = try? Recipe.named("tetrajet") { $0.recipe = recipe }
        $0.recipe.clipping.scope = .module
        $0.recipe.clipping.limit = 2
        $0.recipe.head = .fp4
    }

    /// With the last occurrence of a text replaced, and the header's length that belongs to it.
    static func replacing(_ old: String, _ new: String, in bytes: [UInt8]) -> [UInt8]? {
        guard let range = bytes.ranges(of: Array(old.utf8)).last else { return nil }
        var length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        length += new.utf8.count - old.utf8.count
        let header = Array(bytes[8..<range.lowerBound]) + Array(new.utf8) + Array(bytes[range.upperBound...])
        return withUnsafeBytes(of: UInt64(length).littleEndian) { Array($0) } + header
    }

    /// With the checksum that its contents have.
    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        let place = SafeTensors.checksumPlace
        guard bytes.count >= place.upperBound else { return bytes }
        var bytes = bytes
        bytes.replaceSubrange(place, with: SafeTensors.checksumZeros)
        var crc = CRC32C()
        bytes.withUnsafeBytes { crc.update($0) }
        bytes.replaceSubrange(place, with: SafeTensors.checksumText(crc.value).utf8)
        return bytes
    }

    struct Generator {
        private let random: Philox
        private var count: UInt64 = 0

        init(seed: UInt64) { random = Philox(seed: seed, stream: .distribution) }

        mutating func next(below bound: Int) -> Int {
            count += 1
            return Int(random.block(count)[0]) % max(1, bound)
        }
    }

    /// Changes some of a file; the first part, where the header is, more often than the rest.
    static func mutate(_ bytes: inout [UInt8], _ random: inout Generator) {
        let header = min(bytes.count, 8 + bytes.prefix(8).reversed().reduce(0) { ($0 << 8 | Int($1)) & 0xFF_FFFF })
        let place = random.next(below: random.next(below: 3) > 0 ? header : bytes.count)
        switch random.next(below: 7) {
        case 0, 1:
            for _ in 0...random.next(below: 4) {
                let place = (place + random.next(below: 16)) % bytes.count
                bytes[place] ^= 1 << UInt8(random.next(below: 8))
            }
        case 2:
            bytes.removeLast(min(bytes.count - 1, 1 + random.next(below: random.next(below: 2) > 0 ? 16 : bytes.count)))
        case 3:
            let inserted = (0...random.next(below: 12)).map { _ in UInt8(random.next(below: 256)) }
            bytes.insert(contentsOf: inserted, at: place)
        case 4:
            let end = min(bytes.count, place + 1 + random.next(below: 40))
            let part = bytes[place..<end]
            if random.next(below: 2) > 0 || part.count == bytes.count {
                bytes.insert(contentsOf: part, at: random.next(below: header))
            } else {
                bytes.removeSubrange(place..<end)
            }
        default:
            // A number in the header, by another one.
            let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
            guard let start = bytes[place..<max(place, header)].firstIndex(where: isDigit) else { break }
            let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
            let numbers = [
                "0", "1", "-1", "2", "7", "1e999", "0.5", "255", "65536", "4294967296", "9223372036854775807",
                "9223372036854775808", "00", "null", "[]", "{}", "\"\"",
            ]
            let number = numbers[random.next(below: numbers.count)]
            bytes.replaceSubrange(start..<end, with: number.utf8)
        }
        // Often the header's length agrees again, so that what lies behind it is read.
        guard random.next(below: 2) > 0, bytes.count >= 16, let brace = bytes.lastIndex(of: UInt8(ascii: "}")) else {
            return
        }
        let end = random.next(below: 8) > 0 ? header : brace + 1
        let length = max(0, min(bytes.count, end) - 8)
        bytes.replaceSubrange(0..<8, with: withUnsafeBytes(of: UInt64(length).littleEndian) { Array($0) })
    }

    /// Reads a file in all ways there are.
    ///
    /// - Returns: what it was refused for; nil if it is a good checkpoint.
    private func read(_ path: String, _ trainer: Trainer) throws -> UserError? {
        var refusal: UserError?
        func attempt(_ body: () throws -> Void) throws {
            do {
                try body()
            } catch let error as UserError {
                refusal = refusal ?? error
            }
        }
        try attempt {
            let file = try SafeTensors.File(path)
            for name in file.names { try? attempt { _ = try file.floats(name) } }
            refusal = nil
        }
        try attempt { _ = try Checkpoint(path: path) }
        try attempt { try Checkpoint.verify(path) }
        try attempt {
            guard try Checkpoint(path: path).isState else { return }
            try trainer.restoreState(from: path)
        }
        return refusal
    }

    @Test func mutatedFilesAreRefused() throws {
        let folder = try TemporaryDirectory()
        let trainer = try CheckpointTests.trained(Self.configuration, steps: 2)
        let fork = try trainer.fork()
        try fork.set(PrecisionAssignment(parsing: "mlp.* bf16"))
        _ = try fork.trainStep()
        _ = try trainer.trainStep()
        try trainer.save(to: folder.path + "/model")
        try trainer.saveState(fork: (fork, "prec mlp.* bf16"), to: folder.path + "/state")
        let files = try ["model", "state"].map { name -> [UInt8] in
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(name)")))
        }
        let reader = try PrecisionChangeTests.trainer(Self.configuration)
        for (name, bytes) in zip(["model", "state"], files) {
            #expect(Self.sealed(bytes) == bytes)
            #expect(try read("\(folder.path)/\(name)", reader) == nil)
        }

        var random = Generator(seed: 1)
        var readAsGood: [Int] = []
        var refusals: Set<String> = []
        for index in 0..<Self.cases {
            let original = files[index % 2]
            var bytes = original
            for _ in 0...random.next(below: 2) where bytes.count > 16 { Self.mutate(&bytes, &random) }
            // With a checksum that fits, the mutation is another file, of which all is said and done but to trap.
            let isSealed = index % 4 > 1
            if isSealed { bytes = Self.sealed(bytes) }
            let path = try folder.write("mutated", bytes)
            let refusal = try read(path, reader)
            if let refusal {
                refusals.insert(String(refusal.description.replacing(path, with: "").prefix(30)))
            } else if !isSealed, bytes != original {
                readAsGood.append(index)
            }
        }
        #expect(readAsGood.isEmpty)
        #expect(refusals.count > 10)
    }
}
