import Core
import Dashboard
import Foundation
import Runs

/// Recorded runs whose loss is drawn beneath another's.
enum ComparedRuns {
    /// - Parameter names: as given with `--compare`.
    /// - Throws: `UserError` naming the run.
    static func read(_ names: [String]) throws -> [ComparedRun] {
        guard names.count <= ComparedRun.most else {
            throw UserError("--compare: at most \(ComparedRun.most) runs can be compared, and \(names.count) are given")
        }
        var status = StatusLine()
        defer { status.hide() }
        return try names.map { name in
            let remaining = RemainingTime()
            return try read(name) { share in
                status.show("reading \(name)  eta \(remaining.text(done: Int(1000 * share), of: 1000))")
            }
        }
    }

    /// - Parameters:
    ///   - name: the path of a run's folder, or its name in `runs`.
    ///   - progress: told the share that is read.
    /// - Throws: `UserError` naming the run, or file and line.
    static func read(_ name: String, progress: (Double) -> Void = { _ in }) throws -> ComparedRun {
        let recording = try RunRecording(reading: try RunFolder.named(name), progress: progress)
        let steps = recording.steps.map { (step: $0.step, loss: $0.loss) }
        guard !steps.isEmpty else { throw UserError("\(name) has no steps yet: there is nothing to compare") }
        return ComparedRun(name: recording.folder.name, steps: steps, evaluations: recording.evaluations)
    }

    /// The runs that go by their names.
    static func names() -> [String] {
        let found = try? FileManager.default.contentsOfDirectory(atPath: RunFolder.root)
        return (found ?? []).filter { RunFolder(RunFolder.root + "/" + $0).isRun }.sorted()
    }
}
