import ArgumentParser
import Core
import Foundation
import Runs

/// A run as it is to begin.
struct RunStart {
    var configuration: RunConfiguration
    /// Its folder; nil: it leaves no trace.
    var recorded: RecordedRun?
    /// A saved state to go on from, if it is not a recorded run that goes on.
    var resuming: String?
    var writesTensorBoard = false

    /// - Throws: `UserError` if the run cannot begin.
    func engine(corpus: any Corpus) throws -> TrainingEngine {
        if let recorded {
            return try recorded.engine(corpus: corpus, resuming: resuming, writesTensorBoard: writesTensorBoard)
        }
        return try TrainingEngine(configuration: configuration, corpus: corpus, resuming: resuming)
    }
}

/// The flags that say where a run is written down, and which run goes on.
struct RecordingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The run's folder. Without it: runs/NAME, with the name of the run or of the preset and a number.",
            valueName: "path"))
    var runDir: String?

    @Flag(help: "Leave no trace: no folder, no checkpoints.")
    var noRecord = false

    @Flag(help: "Write a TensorBoard event file into the run's folder while it trains.")
    var tensorboard = false

    @Option(
        help: ArgumentHelp(
            "Go on with a recorded run, with its settings; or begin a run from a file that save-state wrote.",
            valueName: "run|file"))
    var resume: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With --resume: go on from the checkpoint of this step instead of the newest.", valueName: "step"))
    var checkpoint: Int?

    @Flag(help: "With --resume: do not repeat the commands that were given after the checkpoint.")
    var forgetCommands = false

    @Flag(help: "With --resume: let the run save to files outside its folder, as its run.json says.")
    var allowSaves = false

    func validate() throws {
        if noRecord, tensorboard {
            throw ValidationError("--tensorboard writes into the run's folder: leave out --no-record")
        }
        if noRecord, runDir != nil { throw ValidationError("--no-record leaves no folder: leave out --run-dir") }
        if resume == nil {
            if checkpoint != nil {
                throw ValidationError("--checkpoint needs --resume: it says from where a run goes on")
            }
            if forgetCommands { throw ValidationError("--forget-commands needs --resume") }
            if allowSaves { throw ValidationError("--allow-saves needs --resume") }
        }
    }

    /// Makes the run's folder, or opens it again.
    ///
    /// - Parameter check: throws if the configuration makes no sense for what is asked.
    /// - Throws: `UserError` for the first thing that is wrong; nothing is changed then.
    func start(_ options: ConfigurationOptions, check: (RunConfiguration) throws -> Void) throws -> RunStart {
        if let resume, !Self.isFile(resume) {
            return try goOn(with: RunFolder.named(resume), options, check: check)
        }
        if checkpoint != nil || forgetCommands || allowSaves {
            throw UserError(
                "--resume \(resume ?? ""): this is a file; --checkpoint, --forget-commands and --allow-saves need a run"
            )
        }
        let configuration = try options.resolve()
        try check(configuration)
        if noRecord { return RunStart(configuration: configuration, resuming: resume) }
        let recorded = try create(configuration, name: options.name)
        return RunStart(
            configuration: recorded.manifest.configuration, recorded: recorded, resuming: resume,
            writesTensorBoard: tensorboard)
    }

    private static func isFile(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
    }

    private func goOn(
        with folder: RunFolder, _ options: ConfigurationOptions, check: (RunConfiguration) throws -> Void
    ) throws -> RunStart {
        let flags = [("--run-dir", runDir != nil), ("--name", options.name != nil), ("--no-record", noRecord)]
        if let flag = flags.first(where: \.1)?.0 {
            throw UserError("\(flag) has no meaning with --resume \(folder.path): the run has its folder")
        }
        // One that was killed between its last step and its end still has its model to save.
        let before = RunOverview(folder)
        if before.state == .completed, checkpoint == nil {
            throw UserError("--resume \(folder.path): the run is complete: all \(before.step) steps are done")
        }
        let recorded = try RecordedRun.resume(folder, step: checkpoint, forgets: forgetCommands) { old, step in
            let configuration = try options.resolve(recipe: options.recipe, startingFrom: old)
            guard configuration.recipe == old.recipe else {
                throw UserError(
                    "--resume \(folder.path): a run that goes on keeps its recipe, \(old.recipe.label); "
                        + "--at 'STEP:recipe NAME' changes it at a step")
            }
            // Paths may come from someone else's run.json: nothing is written there without a word, or overwritten.
            var recorded = old
            if options.save != nil || configuration.run.save != old.run.save { recorded.run.save = "" }
            try requirePermission(for: recorded, folder, step)
            try check(configuration)
            return configuration
        } goesBack: { problem, good in
            Question.ask("\(problem).\nGo on from the newest good checkpoint, of step \(good.step)?")
        }
        return RunStart(
            configuration: recorded.manifest.configuration, recorded: recorded, writesTensorBoard: tensorboard)
    }

    /// - Parameter recorded: what no flag has said again.
    /// - Throws: `UserError` if the run would save outside its folder, and nobody allows that.
    private func requirePermission(for recorded: RunConfiguration, _ folder: RunFolder, _ step: Int) throws {
        guard !allowSaves else { return }
        let paths = try folder.savesOutside(recorded, after: step)
        guard !paths.isEmpty else { return }
        let what = "its run.json has it save to \(paths.map(Self.quoted).joined(separator: ", ")), outside its folder"
        if Question.ask("\(folder.path): \(what).\nAllow that?") { return }
        let flag = paths == [recorded.run.save] ? "--save says the path again" : "--allow-saves allows that"
        throw UserError("--resume \(folder.path): \(what); \(flag)")
    }

    /// Without characters that a terminal would obey.
    private static func quoted(_ path: String) -> String {
        let isControl = { (scalar: Unicode.Scalar) in scalar.properties.generalCategory == .control }
        return String(String.UnicodeScalarView(path.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
    }

    private func create(_ configuration: RunConfiguration, name: String?) throws -> RecordedRun {
        let version = Program.configuration.version
        if let runDir {
            return try RecordedRun.create(RunFolder(runDir), configuration: configuration, program: version)
        }
        if let name {
            guard let problem = RunFolder.problem(ofName: name) else {
                let folder = RunFolder(RunFolder.root + "/" + name)
                return try RecordedRun.create(folder, configuration: configuration, program: version)
            }
            throw UserError("--name \(name): \(problem)")
        }
        let base = configuration.run.name
        return try RecordedRun.create(
            in: RunFolder.root, numbering: RunFolder.problem(ofName: base) == nil ? base : "run",
            configuration: configuration, program: version)
    }
}
