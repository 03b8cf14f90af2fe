import Core

/// Sums up clipping, which can happen in every step: one entry for at least 50 steps, kept up to date. Where clipping
/// goes on, or comes back soon, every entry stands for twice as many steps as the one before.
struct ClipWatch: Sendable {
    private struct Episode: Sendable {
        var id: Int
        var first: Int
        var length: Int
        var steps = 0
        var last: Int
        /// In how many steps each module was clipped.
        var counts: [ModulePath: Int] = [:]
    }

    /// What an entry says, and which one it is; nil: a new one.
    struct News: Sendable {
        var id: Int?
        var text: String
        var module: ModulePath?
    }

    static let window = 50
    static let longestWindow = 50 * 128

    private var episode: Episode?

    /// The global norm was clipped.
    mutating func take(step: Int, before: Double, after: Double) -> News {
        count(step, modules: [])
        return News(
            id: currentID, text: "norm \(Self.norms(before, after)) by the global norm\(steps)", module: nil)
    }

    /// Gradients were clipped in front of the quantizer.
    mutating func take(step: Int, _ modules: [ClippedGradient]) -> News? {
        guard let worst = modules.max(by: { $0.fraction < $1.fraction }) else { return nil }
        count(step, modules: modules.map(\.module))
        let often = episode?.counts.max { ($0.value, $1.key.description) < ($1.value, $0.key.description) }
        let module = often?.key ?? worst.module
        let shown = modules.first { $0.module == module } ?? worst
        let others = (episode?.counts.count ?? 1) - 1
        return News(
            id: currentID,
            text:
                "\(shown.module) \(NumberText.percent(shown.fraction)) of values, norm \(Self.norms(shown.normBefore, shown.normAfter))"
                + (others > 0 ? " and \(others) more" : "") + steps,
            module: shown.module)
    }

    /// The entry that the newest steps are told in.
    mutating func isTold(as id: Int) { episode?.id = id }

    private var currentID: Int? { episode.flatMap { $0.id > 0 ? $0.id : nil } }

    /// How many of how many steps, once that is more than one.
    private var steps: String {
        guard let episode, episode.steps > 1 else { return "" }
        return ", \(NumberText.grouped(episode.steps)) of \(NumberText.grouped(episode.last - episode.first + 1)) steps"
    }

    private mutating func count(_ step: Int, modules: [ModulePath]) {
        if let old = episode, step >= old.first + old.length {
            let goesOn = step - old.last < max(4 * Self.window, old.length)
            episode = Episode(
                id: 0, first: step, length: goesOn ? min(Self.longestWindow, 2 * old.length) : Self.window, last: step)
        } else if episode == nil {
            episode = Episode(id: 0, first: step, length: Self.window, last: step)
        }
        episode?.steps += 1
        episode?.last = step
        for module in modules { episode?.counts[module, default: 0] += 1 }
    }

    private static func norms(_ before: Double, _ after: Double) -> String {
        "\(NumberText.significant(before)) to \(NumberText.significant(after))"
    }
}
