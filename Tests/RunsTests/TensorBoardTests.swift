import Core
import Foundation
import Testing

@testable import Runs

@Suite struct TensorBoardTests {
    /// The file that TensorBoard's own messages and record writer make of these events:
    /// Reference/check_tensorboard.py --fixture.
    private static let fixture = """
        1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110100000000000000095fb
        fe180900002040fc54d94110ac023a020801b94512a3ea00000000000000ace9258c0900004040fc54d94110ac022adb010a
        110a0a747261696e2f6c6f737315000020400a160a0f747261696e2f677261645f6e6f726d150000807f0a190a1274726169
        6e2f636c69707065645f6e6f726d150000803f0a1a0a13747261696e2f6c6561726e696e675f72617465156f12833a0a130a
        0c706572662f737465705f6d731500007a430a160a0f706572662f666f72776172645f6d73150000a0420a170a1070657266
        2f6261636b776172645f6d731500000c430a180a11706572662f6f7074696d697a65725f6d73150000c8410a170a10706572
        662f7175616e74697a655f6d73150000a0419ecf60961f00000000000000514b44180900008040fc54d94110ac022a110a0f
        0a0876616c2f6c6f737315000010406f7d64d94500000000000000ebe668b0090000c040fc54d94110ac022a370a350a0673
        616d706c654221080712041202080142176060600a524f4d454f3a20c2b477686174c2b40a6060604a080a060a0474657874
        bdfd7376
        """

    private static let events = [
        EventLine(
            .stepped(
                StepMetrics(
                    step: 300, loss: 2.5, gradientNorm: .infinity, clippedNorm: 1, learningRate: 0.001, tokens: 1000,
                    stepMilliseconds: 250, elapsedSeconds: 75,
                    timing: StepTiming(forward: 80, backward: 140, optimizer: 25, quantize: 20))),
            time: 1_700_000_001),
        // Has no place in TensorBoard.
        EventLine(.saved(step: 300, path: "a"), time: 1_700_000_001.5),
        EventLine(.evaluated(Evaluation(step: 300, validationLoss: 2.25)), time: 1_700_000_002),
        EventLine(.sampled(TextSample(step: 300, prompt: "ROMEO:", text: " ´what´")), time: 1_700_000_003),
    ]

    @Test func theBytesAreThoseOfTensorBoard() throws {
        var events = TensorBoardEvents(began: 0)
        let data = Self.events.reduce(TensorBoardEvents.header(time: 1_700_000_000.5, resumedAfter: 299)) {
            $0 + events.records(for: $1)
        }
        let digits = data.map { String(format: "%02x", $0) }.joined()
        #expect(digits == Self.fixture.filter { !$0.isWhitespace })
    }

    /// What is written event by event is what is written at once, and it is there before the file is closed.
    @Test func theFileGrowsEventByEvent() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let writer = try TensorBoardWriter(folder: folder, run: "a/b", time: 1_700_000_000.5)
        #expect(writer.path == folder + "/events.out.tfevents.1700000000.a_b")
        var expected = TensorBoardEvents.header(time: 1_700_000_000.5)
        var events = TensorBoardEvents(began: 0)
        for line in Self.events {
            try writer.append(line)
            expected += events.records(for: line)
            #expect(FileManager.default.contents(atPath: writer.path) == expected)
        }
        #expect(throws: UserError.self) {
            _ = try TensorBoardWriter(folder: folder, run: "a/b", time: 1_700_000_000.5)
        }
    }

    @Test func aWholeRun() throws {
        let recording = Exported.recording
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try TensorBoardExport.write(recording, to: folder, overwrite: false)
        #expect(path == folder + "/events.out.tfevents.0000001000.example")
        let data = try #require(FileManager.default.contents(atPath: path))
        #expect(data == TensorBoardExport.data(recording))
        for tag in ["train/loss", "val/loss", "perf/tokens_per_s", "prec/layers.0.mlp.up/format", "prec/cost"] {
            #expect(data.range(of: Data(tag.utf8)) != nil, "\(tag)")
        }

        #expect(throws: UserError("\(path) exists; --overwrite replaces it")) {
            try TensorBoardExport.write(recording, to: folder, overwrite: false)
        }
        #expect(try TensorBoardExport.write(recording, to: folder, overwrite: true) == path)
        let other = "events.out.tfevents.0000001001.x"
        try Data().write(to: URL(fileURLWithPath: folder + "/" + other))
        let error = UserError(
            "\(folder) holds \(other), and TensorBoard would take both for one run: --out names another folder")
        #expect(throws: error) { try TensorBoardExport.write(recording, to: folder, overwrite: true) }
    }
}
