#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension SyntheticLanguage {
    /// The entropy rate in nats per byte; see the type's description for the formula.
    static func entropyRate(
        _ grammar: SyntheticGrammar, _ lexicon: SyntheticLexicon, _ turns: [UInt32]
    ) -> Double {
        let speakerEntropy = entropy(speakerSteps.map { Double($0) / 16 })
        let separatorBytes = separators(names: lexicon.names).map { Double($0.count) }
        let speechBytes = separatorBytes[SyntheticGrammar.Separator.speech.rawValue...].reduce(0, +) / Double(speakers)
        var wordEntropies: [[Double?]] = WordClass.allCases.map { _ in WordClass.allCases.map { _ in nil } }
        var (nats, bytes) = (0.0, 0.0)
        for place in SyntheticGrammar.Place.allCases {
            let steps = grammar.steps[place.rawValue]
            let frequency = grammar.frequency[place.rawValue]
            nats += frequency * entropy(steps.map(\.probability))
            for step in steps {
                let probability = frequency * step.probability
                let (a, c) = (place.anchorClass, step.target.wordClass)
                let word = wordEntropies[a.rawValue][c.rawValue] ?? wordEntropy(a, c, lexicon, turns)
                wordEntropies[a.rawValue][c.rawValue] = word
                nats += probability * (word + (step.separator == .speech ? speakerEntropy : 0))
                bytes += probability * lexicon.meanLength(c)
                bytes +=
                    probability * (step.separator == .speech ? speechBytes : separatorBytes[step.separator.rawValue])
            }
        }
        return nats / bytes
    }

    private static func entropy(_ distribution: [Double]) -> Double {
        -distribution.reduce(0) { $1 > 0 ? $0 + $1 * log($1) : $0 }
    }

    /// Entropy in nats of a word of class `c` given an anchor of class `a`, averaged over anchors and speakers.
    private static func wordEntropy(
        _ a: WordClass, _ c: WordClass, _ lexicon: SyntheticLexicon, _ turns: [UInt32]
    ) -> Double {
        let mixture = mixture(c).map { Double($0) / 16 }
        let words = lexicon.words[c.rawValue]
        // P(v | w) = background(v) + what the turns lead to. Most words get nothing from the turns: take the sum over
        // all as if none did, then put right those that do.
        let background = words.map { mixture[0] * lexicon.probability($0) }
        let terms = background.map { $0 * log($0) }
        let sum = terms.reduce(0, +)
        var turned = [Double](repeating: 0, count: words.count)
        var reached: [Int] = []
        // Where no turn belongs to the speaker, one speaker stands for all.
        let speakers = mixture[turnCount] > 0 ? speakers : 1
        var total = 0.0
        for speaker in 0..<speakers {
            for anchor in lexicon.words[a.rawValue] {
                let scale = 1 / Double(lexicon.weight[anchor])
                for turn in 0..<turnCount where mixture[turn + 1] > 0 {
                    let index = turnIndex(
                        speaker: speaker, turn: turn, anchorClass: a.rawValue, wordClass: c.rawValue)
                    // Walk along the turned arc, from word to word of the other circle.
                    var point = lexicon.start[anchor] &+ turns[index]
                    var left = lexicon.weight[anchor]
                    var word = lexicon.word(c.rawValue, at: point)
                    while left > 0 {
                        let part = min(left, lexicon.weight[word] &- (point &- lexicon.start[word]))
                        let place = word - words.lowerBound
                        if turned[place] == 0 { reached.append(place) }
                        turned[place] += mixture[turn + 1] * Double(part) * scale
                        left -= part
                        point &+= part
                        word = word + 1 == words.upperBound ? words.lowerBound : word + 1
                    }
                }
                var row = sum
                for place in reached {
                    let probability = background[place] + turned[place]
                    row += probability * log(probability) - terms[place]
                    turned[place] = 0
                }
                reached.removeAll(keepingCapacity: true)
                total -= lexicon.probability(anchor) * row
            }
        }
        return total / Double(speakers)
    }
}
