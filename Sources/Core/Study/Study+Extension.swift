import Foundation

/// More recipes and more seeds for a study that has begun.
extension Study {
    /// The study that goes on with the one in a folder. Its recipes come first, in their order there, so that their states and
    /// rows stay where they are.
    ///
    /// - Parameter folder: its path, for messages.
    /// - Throws: `UserError` if a recipe or a seed of the folder is left out, or anything else differs.
    func extending(
        _ file: StudyFile, in folder: String, corpus: any Corpus, machine: StudyMachine
    ) throws(UserError) -> Study {
        let known = file.report.rows.map(\.recipe)
        let own = identity(corpus: corpus, machine: machine)
        let differences = Set(own.keys).union(file.identity.keys).sorted().compactMap { key -> String? in
            // With other recipes the keys of each say nothing more.
            let label = key.range(of: ": recipe.").map { String(key[..<$0.lowerBound]) }
            if let label, !known.contains(label) || !entries.contains(where: { $0.label == label }) { return nil }
            guard !["--recipes", "--seeds"].contains(key) else { return nil }
            // The version that wrote it had no such key.
            let was = file.identity[key] ?? defaultValue(key, label: label)
            return own[key] == was ? nil : "\(key) is \(own[key] ?? "not there") and was \(was ?? "not there")"
        }
        guard differences.isEmpty else {
            let rest = differences.count > 5 ? " and \(differences.count - 5) more" : ""
            throw UserError(
                "--out \(folder) holds another study: \(differences.prefix(5).joined(separator: "; "))\(rest); use "
                    + "another folder or the same settings")
        }
        let missing = known.filter { label in !entries.contains { $0.label == label } }
        guard missing.isEmpty, file.seeds.count <= seeds else {
            let what =
                missing.isEmpty
                ? "--seeds is \(seeds), and it has \(file.seeds.count)"
                : "--recipes leaves out \(missing.joined(separator: ", "))"
            throw UserError(
                "--out \(folder) holds a larger study: \(what); a study can get more recipes and seeds, not fewer")
        }
        var study = self
        study.entries =
            known.compactMap { label in entries.first { $0.label == label } }
            + entries.filter { !known.contains($0.label) }
        return study
    }

    /// What a key had before there was one; nil if that cannot be told.
    private func defaultValue(_ key: String, label: String?) -> String? {
        var configuration = RunConfiguration()
        guard let label else {
            return ConfigurationKey.named(key)?.value(in: configuration)?.description
        }
        let base = entries.first { $0.label == label }.flatMap { try? Recipe.named($0.recipe.base) }
        guard let base else { return nil }
        configuration.recipe = base
        return ConfigurationKey.named(String(key.dropFirst(label.count + 2)))?.value(in: configuration)?.description
    }
}
