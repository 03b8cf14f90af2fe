import Core
import Dashboard
import Foundation
import Testing

@testable import Runs
@testable import fp4tui

/// Recordings that were damaged: whatever still reads as events is exported, compared and drawn without a trap.
@Suite struct ExportFuzzTests {
    /// Replaces, removes and doubles bytes; often it puts a number, which JSON takes where it took another.
    private static func mutated(_ line: [UInt8], _ philox: Philox, _ index: UInt64) -> [UInt8] {
        var line = line
        let numbers = [
            "0", "-1", "1e400", "9223372036854775807", "-9223372036854775808", "\"NaN\"", "\"Infinity\"", "1e18",
        ]
        for round in 0..<UInt32(1 + philox.bits(index, 0) % 3) {
            let bits = philox.bits(index, 1 + round)
            let digits: [Int] = line.indices.filter { UInt8(ascii: "0")...UInt8(ascii: "9") ~= line[$0] }
            if bits % 4 != 0, !digits.isEmpty {
                let start = digits[Int((bits >> 8) % UInt64(digits.count))]
                // A whole number, from its first digit to its last.
                let isPart: (UInt8) -> Bool = { "+-.0123456789e".utf8.contains($0) }
                let first = line[..<start].lastIndex { !isPart($0) }.map { $0 + 1 } ?? 0
                let end = line[start...].firstIndex { !isPart($0) } ?? line.count
                let number = Array(numbers[Int((bits >> 40) % UInt64(numbers.count))].utf8)
                line.replaceSubrange(first..<end, with: number)
            } else if !line.isEmpty {
                let place = Int((bits >> 8) % UInt64(line.count))
                switch (bits >> 40) % 3 {
                case 0: line[place] = UInt8(truncatingIfNeeded: bits >> 48)
                case 1: line.remove(at: place)
                default: line.insert(line[place], at: place)
                }
            }
        }
        return line
    }

    /// `FP4TUI_FUZZ_CASES` asks for more cases than the few of an ordinary test run.
    @Test func damagedRecordings() throws {
        let cases = ProcessInfo.processInfo.environment["FP4TUI_FUZZ_CASES"].flatMap(UInt64.init) ?? 300
        let recorded = try Binary.run([
            "--batch", "--json", "--preset", "micro", "--steps", "8", "--recipe", "zhou2025", "--set",
            "evaluation.every=2", "--set", "health.every=2", "--set", "model.width=32", "--set",
            "health.probe_every=4", "--set", "recipe.target_fraction=0.5", "--at", "3:fork recipe bf16", "--at",
            "2:prec layers.0.* bf16", "--threads", "1",
        ])
        try #require(recorded.status == 0, "\(recorded.errors)")
        let lines = recorded.output.split(separator: "\n").map(String.init)
        let intact = try lines.map { try EventLine(json: $0) }
        let philox = Philox(seed: 1, stream: .sampling)
        var accepted = 0
        for index in 0..<cases {
            let target = Int(philox.bits(index, 99) % UInt64(lines.count))
            let damaged = Self.mutated(Array(lines[target].utf8), philox, index)
            var events = intact
            if let event = try? EventLine(json: String(decoding: damaged, as: UTF8.self)) {
                events[target] = event
                accepted += 1
            } else {
                // As after an interruption, without the line.
                events.remove(at: target)
            }
            let recording = RunRecording(
                folder: RunFolder("runs/damaged"),
                manifest: RunManifest(program: "0", created: 0, configuration: RunConfiguration()), events: events,
                commands: [])
            let comparison = RunComparison([recording, recording])
            let state = DashboardState.recorded(
                events.map(\.event), upTo: nil, in: DashboardState(size: Size(width: 120, height: 50)))
            let isWhole =
                !CSVExport.csv(recording).isEmpty && !MarkdownExport.markdown(recording).isEmpty
                && !TensorBoardExport.data(recording).isEmpty && !comparison.markdown.isEmpty
                && !state.frame().text.isEmpty
            #expect(isWhole)
        }
        // Most damage is to figures, which are then still figures.
        #expect(accepted > 10)
    }
}
