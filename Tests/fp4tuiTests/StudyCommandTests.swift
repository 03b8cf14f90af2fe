import Core
import Foundation
import Testing

@testable import fp4tui

@Suite struct StudyCommandTests {
    @Test func entriesMayChangeTheirRecipe() throws {
        let entries = try StudyCommand.entries(
            "bf16,zhou2025:target_fraction=0+last_layers=0.5,nvfp4:assignments=[\"mlp.* fp8\",\"attn.* fp4\"]",
            RunConfiguration())
        #expect(
            entries.map(\.label) == [
                "bf16", "zhou2025:target_fraction=0+last_layers=0.5",
                "nvfp4:assignments=[\"mlp.* fp8\",\"attn.* fp4\"]",
            ])
        #expect(entries[0].recipe == Recipe.bf16)
        #expect(entries[1].recipe.schedule.targetFraction == 0)
        #expect(entries[1].recipe.lastLayers == 0.5)
        #expect(entries[2].recipe.assignments.map(\.description) == ["mlp.* fp8", "attn.* fp4"])
        let error = try #require(throws: UserError.self) {
            try StudyCommand.entries("zhou2025:target=0", RunConfiguration())
        }
        #expect(error.description.hasPrefix("--recipes zhou2025:target=0: there is no key recipe.target;"))
        #expect(throws: UserError.self) { try StudyCommand.entries("zhou", RunConfiguration()) }
    }

    @Test func theCommandIsQuotedForAShell() {
        #expect(
            StudyCommand.commandLine(["/usr/bin/fp4tui", "study", "--out", "a b", "--set", "run.name='x'"])
                == "fp4tui study --out 'a b' --set 'run.name='\\''x'\\'''")
    }

    @Test(
        arguments: [
            (["--recipe", "nvfp4"], "--recipe has no meaning in a study; --recipes names its recipes"),
            (["--save", "x"], "--save has no meaning in a study: no model is kept"),
            (
                ["--set", "recipe.target_fraction=0"],
                "--set recipe.target_fraction=0 has no meaning in a study; write it behind a recipe, as in "
                    + "--recipes zhou2025:target_fraction=0"
            ),
            (["--slice", "0"], "--slice is 0; expected a number from 1 to 1000000"),
        ] as [([String], String)])
    func whatAStudyDoesNotTakeIsRefused(arguments: [String], message: String) throws {
        try withTemporaryFolder { folder in
            let result = try Binary.run(["study", "--recipes", "bf16", "--out", folder + "/study"] + arguments)
            #expect(result.errors == "fp4tui: \(message)\n")
            #expect(result.status == 2)
            #expect(!FileManager.default.fileExists(atPath: folder + "/study"))
        }
    }

    /// Small enough for a debug build.
    private static let small = [
        "--preset", "micro", "--threads", "1", "--set", "model.width=32", "--set", "model.context=16", "--set",
        "training.batch=4", "--set", "evaluation.batches=2", "--set", "data.language_words=200",
    ]

    @Test func aStudyWritesItsTable() throws {
        try withTemporaryFolder { folder in
            let arguments =
                ["study", "--recipes", "bf16,fp4-naive", "--seeds", "1", "--steps", "4", "--slice", "2", "--out"]
                + [folder + "/study"] + Self.small
            let result = try Binary.run(arguments)
            #expect(result.status == 0)
            let markdown = try String(contentsOfFile: folder + "/study/study.md", encoding: .utf8)
            #expect(result.output == markdown)
            #expect(markdown.contains(StudyCommand.commandLine(["fp4tui"] + arguments)))
            #expect(markdown.contains("| fp4-naive | "))
            #expect(!markdown.contains("Not complete"))
            let again = try Binary.run(arguments + ["--json"])
            #expect(again.output.split(separator: "\n").count == 2)
            #expect(again.output.contains("\"event\":\"completed\""))
        }
    }

    @Test func sensitivityWritesARecipeThatCanBeRead() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/recipe.toml"
            let arguments =
                ["sensitivity", "--recipe", "nvfp4", "--warm-up-steps", "3", "--batches", "1", "--budget", "0.6"]
                + ["--output", path] + Self.small
            let result = try Binary.run(arguments)
            #expect(result.status == 0)
            #expect(result.output.contains("fp4: error of the whole gradient, %"))
            let config = try Binary.run(["config", "--recipe", path])
            #expect(config.status == 0)
            #expect(config.output.contains("inherits = \"nvfp4\""))
            #expect(config.output.contains("name = \"nvfp4-budget-0.6\""))
            let second = try Binary.run(arguments)
            #expect(second.errors == "fp4tui: --output \(path): the file exists; --overwrite replaces it\n")
            #expect(second.status == 2)
        }
    }
}
