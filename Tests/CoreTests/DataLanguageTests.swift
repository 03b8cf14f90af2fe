import Foundation
import Testing

@testable import Core

/// The built-in language once more, straight from its definition: probabilities as overlaps of arcs, one by one, and
/// texts read back into events.
private struct Definition {
    typealias Place = SyntheticGrammar.Place
    typealias WordClass = SyntheticGrammar.WordClass

    let language: SyntheticLanguage
    var lexicon: SyntheticLexicon { language.lexicon }

    func spelling(_ word: Int) -> [UInt8] { Array(lexicon.letters[lexicon.spelling[word]]) }

    func words(_ wordClass: WordClass) -> Range<Int> { lexicon.words[wordClass.rawValue] }

    /// P(word | anchor, speaker) for a word of the given class.
    func probability(_ word: Int, _ c: WordClass, anchor: Int, _ a: WordClass, speaker: Int) -> Double {
        let circle = 1 << 32
        let mixture = SyntheticLanguage.mixture(c).map { Double($0) / 16 }
        var sum = mixture[0] * lexicon.probability(word)
        for turn in 0..<3 {
            let index = SyntheticLanguage.turnIndex(
                speaker: speaker, turn: turn, anchorClass: a.rawValue, wordClass: c.rawValue)
            let from = (Int(lexicon.start[anchor]) + Int(language.turns[index])) % circle
            let to = from + Int(lexicon.weight[anchor])
            let (start, end) = (Int(lexicon.start[word]), Int(lexicon.start[word]) + Int(lexicon.weight[word]))
            let overlap = [0, circle].reduce(0) { $0 + max(0, min(to, end + $1) - max(from, start + $1)) }
            sum += mixture[turn + 1] * Double(overlap) / Double(lexicon.weight[anchor])
        }
        return sum
    }

    /// Probability that speaker `next` follows.
    func speakerProbability(_ speaker: Int, next: Int) -> Double {
        Double(SyntheticLanguage.speakerSteps[(next - speaker + 8) % 8]) / 16
    }

    func separator(_ step: SyntheticGrammar.Step, _ speaker: Int) -> [UInt8] {
        switch step.separator {
        case .space: Array(" ".utf8)
        case .comma: Array(", ".utf8)
        case .stop: Array(". ".utf8)
        case .question: Array("? ".utf8)
        case .speech:
            Array(".\n".utf8) + capitalized(lexicon.names[speaker]) + Array(": ".utf8)
        }
    }

    private func capitalized(_ word: [UInt8]) -> [UInt8] { [word[0] - 32] + word.dropFirst() }

    struct Event {
        var step: SyntheticGrammar.Step
        var speaker: Int
        var word: Int
    }

    func text(_ event: Event) -> [UInt8] {
        let word = spelling(event.word)
        return separator(event.step, event.speaker) + (event.step.separator.endsSentence ? capitalized(word) : word)
    }

    /// Reads the events of a text from the first speech that begins in it, as long as each word is followed by a
    /// separator; nothing is known but the spelling.
    ///
    /// - Returns: the events after the first content word, that word as their first anchor, its speaker, and where in
    ///   the text they begin and end.
    func read(_ text: [UInt8]) throws -> (events: [Event], speaker: Int, anchor: Int, range: Range<Int>) {
        var known: [[UInt8]: Int] = [:]
        for word in lexicon.spelling.indices { known[spelling(word)] = word }
        var (events, starts): ([Event], [Int]) = ([], [])
        var speaker = -1
        // The full stop before the first line break ends a speech. Which place came before it is not known, nor does
        // it matter: any clause may end so.
        var position = try #require(text.firstIndex(of: 10)) - 1
        var place = Place.closingAdverb
        while position < text.count {
            let start = position
            var mark: [UInt8] = []
            while position < text.count, !isLetter(text[position]) {
                mark.append(text[position])
                position += 1
            }
            var next = speaker
            let separator: SyntheticGrammar.Separator
            switch String(decoding: mark, as: UTF8.self) {
            case " ": separator = .space
            case ", ": separator = .comma
            case ". ": separator = .stop
            case "? ": separator = .question
            default:
                separator = .speech
                let name = letters(text, &position)
                guard position + 2 < text.count else { break }
                #expect(mark == [46, 10] && text[position] == 58 && text[position + 1] == 32)
                next = try #require(lexicon.names.firstIndex(of: name))
                position += 2
            }
            let spelled = letters(text, &position)
            guard position < text.count else { break }
            let word = try #require(known[spelled])
            let steps = language.grammar.steps[place.rawValue].filter {
                $0.separator == separator && words($0.target.wordClass).contains(word)
            }
            try #require(steps.count == 1)
            events.append(Event(step: steps[0], speaker: next, word: word))
            starts.append(start)
            (place, speaker) = (steps[0].target, next)
        }
        starts.append(starts.last.map { $0 + self.text(events[events.count - 1]).count } ?? 0)
        let first = try #require(events.firstIndex { $0.step.target.wordClass.isContent })
        return (
            Array(events[(first + 1)...]), events[first].speaker, events[first].word,
            starts[first + 1]..<starts[events.count]
        )
    }

    private func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }

    private func letters(_ text: [UInt8], _ position: inout Int) -> [UInt8] {
        var letters: [UInt8] = []
        while position < text.count, isLetter(text[position]) {
            letters.append(text[position] | 32)
            position += 1
        }
        return letters
    }
}

@Suite struct DataLanguageTests {
    typealias Place = SyntheticGrammar.Place

    @Test func grammarIsAConsistentChain() {
        let grammar = SyntheticGrammar()
        for place in Place.allCases {
            let steps = grammar.steps[place.rawValue]
            #expect(steps.reduce(0) { $0 + $1.share } == SyntheticGrammar.Step.whole)
            // The separator and the class of the word tell the next place.
            let seen = steps.map { [$0.separator.rawValue, $0.target.wordClass.rawValue] }
            #expect(Set(seen).count == steps.count)
            for step in steps where !step.target.wordClass.isContent {
                #expect(step.target.anchorClass == place.anchorClass)
            }
        }
        var next = [Double](repeating: 0, count: Place.allCases.count)
        for place in Place.allCases {
            for step in grammar.steps[place.rawValue] {
                next[step.target.rawValue] += grammar.frequency[place.rawValue] * step.probability
            }
        }
        for (before, after) in zip(grammar.frequency, next) { #expect(abs(before - after) < 1e-14) }
        #expect(abs(next.reduce(0, +) - 1) < 1e-14)
    }

    @Test(arguments: [20, 21, 137, 2000, 65_536]) func lexicon(count: Int) {
        let lexicon = SyntheticLexicon(words: count, speakers: 8, philox: Philox(seed: 1, stream: .language))
        #expect(lexicon.start.count == count)
        #expect(Set(lexicon.spelling.map { Array(lexicon.letters[$0]) } + lexicon.names).count == count + 8)
        #expect(lexicon.letters.allSatisfy { (97...122).contains($0) })
        for (wordClass, words) in lexicon.words.enumerated() {
            #expect(words.reduce(0) { $0 + Int(lexicon.weight[$1]) } == 1 << 32)
            for word in words {
                #expect(lexicon.word(wordClass, at: lexicon.start[word]) == word)
                #expect(lexicon.word(wordClass, at: lexicon.start[word] + (lexicon.weight[word] - 1)) == word)
            }
        }
    }

    /// Over the explicit transition matrix of a small language: the rows add up to 1, the product distribution is
    /// stationary, and the sum over all transitions gives the entropy rate.
    @Test(arguments: [1, 2]) func transitionMatrix(seed: UInt64) throws {
        let language = try SyntheticLanguage(words: 20, seed: seed)
        let definition = Definition(language: language)
        func index(_ place: Place, _ speaker: Int, _ anchor: Int) -> Int {
            (place.rawValue * 8 + speaker) * 20 + anchor
        }
        func probability(_ place: Place, _ anchor: Int) -> Double {
            language.grammar.frequency[place.rawValue] / 8 * language.lexicon.probability(anchor)
        }
        var next = [Double](repeating: 0, count: Place.allCases.count * 8 * 20)
        var (nats, bytes) = (0.0, 0.0)
        for place in Place.allCases {
            for (speaker, anchor) in (0..<8).flatMap({ speaker in
                definition.words(place.anchorClass).map { (speaker, $0) }
            }) {
                let weight = probability(place, anchor)
                var row = 0.0
                for step in language.grammar.steps[place.rawValue] {
                    for follower in 0..<8 {
                        let turn =
                            step.separator == .speech
                            ? definition.speakerProbability(speaker, next: follower) : speaker == follower ? 1 : 0
                        guard turn > 0 else { continue }
                        for word in definition.words(step.target.wordClass) {
                            let p =
                                step.probability * turn
                                * definition.probability(
                                    word, step.target.wordClass, anchor: anchor, place.anchorClass, speaker: follower)
                            guard p > 0 else { continue }
                            let event = Definition.Event(step: step, speaker: follower, word: word)
                            row += p
                            nats -= weight * p * log(p)
                            bytes += weight * p * Double(definition.text(event).count)
                            let content = step.target.wordClass.isContent
                            next[index(step.target, follower, content ? word : anchor)] += weight * p
                        }
                    }
                }
                #expect(abs(row - 1) < 1e-12)
            }
        }
        for place in Place.allCases {
            for anchor in definition.words(place.anchorClass) {
                for speaker in 0..<8 {
                    #expect(abs(next[index(place, speaker, anchor)] - probability(place, anchor)) < 1e-15)
                }
            }
        }
        #expect(abs(next.reduce(0, +) - 1) < 1e-12)
        #expect(abs(nats / bytes / (try #require(language.entropyRate)) - 1) < 1e-12)
    }

    /// The model's own log-probability of a long text, per byte, is the entropy rate within statistical error.
    @Test(arguments: [200, 2000]) func logProbabilityOfText(words: Int) throws {
        let language = try SyntheticLanguage(words: words, seed: 4)
        let definition = Definition(language: language)
        let rate = try #require(language.entropyRate)
        let text = try language.window(200_000, random: 11).map { UInt8($0) }
        let (events, speaker, first, range) = try definition.read(text)
        // The text is what its events spell, and nothing else.
        #expect(Array(text[range]) == events.flatMap { definition.text($0) })
        #expect(range.count > 199_000)

        var (now, anchor) = (speaker, first)
        // For each event its nats less what the rate allows its bytes: zero on average.
        var excess: [Double] = []
        for event in events {
            let a = try #require(
                SyntheticGrammar.WordClass.allCases.first { definition.words($0).contains(anchor) })
            var p = event.step.probability
            if event.step.separator == .speech { p *= definition.speakerProbability(now, next: event.speaker) }
            p *= definition.probability(
                event.word, event.step.target.wordClass, anchor: anchor, a, speaker: event.speaker)
            excess.append(-log(p) - rate * Double(definition.text(event).count))
            now = event.speaker
            if event.step.target.wordClass.isContent { anchor = event.word }
        }
        // Neighbouring events are correlated: take the error from the means of blocks.
        let block = 200
        let means = (0..<excess.count / block).map { index in
            excess[index * block..<(index + 1) * block].reduce(0, +) / Double(block)
        }
        let mean = means.reduce(0, +) / Double(means.count)
        let variance = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(means.count - 1)
        let error = (variance / Double(means.count)).squareRoot()
        let natsPerEvent = rate * Double(range.count) / Double(events.count)
        #expect(abs(mean) < 3 * error)
        #expect(error < 0.01 * natsPerEvent)
    }

    /// A window begins in the stationary process: byte frequencies at its first position are those further on.
    @Test func windowsBeginAnywhere() throws {
        let language = try SyntheticLanguage(words: 100, seed: 1)
        var counts = [[Int]](repeating: [Int](repeating: 0, count: 256), count: 2)
        let windows = 6000
        for random in 0..<UInt64(windows) {
            let window = try language.window(61, random: random)
            counts[0][Int(window[0])] += 1
            counts[1][Int(window[60])] += 1
        }
        for byte in 0..<256 {
            let (first, later) = (Double(counts[0][byte]), Double(counts[1][byte]))
            #expect(abs(first - later) <= 4.5 * (first + later).squareRoot())
        }
        #expect(counts[0][32] > windows / 12)
    }

    @Test func textFollowsFromSeedSplitAndRandom() throws {
        let language = try SyntheticLanguage(words: 300, seed: 1)
        let text = try language.window(400, random: 5)
        #expect(try SyntheticLanguage(words: 300, seed: 1).window(400, random: 5) == text)
        #expect(try language.window(100, random: 5) == Array(text.prefix(100)))
        #expect(try language.window(400, random: 6) != text)
        #expect(try language.window(400, .validation, random: 5) != text)
        #expect(try SyntheticLanguage(words: 300, seed: 2).window(400, random: 5) != text)
        #expect(try SyntheticLanguage(words: 301, seed: 1).window(400, random: 5) != text)
    }

    @Test(arguments: [-1, 0, 19, 65_537]) func vocabulariesOutOfRange(words: Int) {
        expectUserError(["data.language_words = \(words)", "20", "65536"]) {
            _ = try SyntheticLanguage(words: words, seed: 1)
        }
    }
}
