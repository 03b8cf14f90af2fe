/// The built-in language: endless text made from a seed, whose entropy rate is known exactly.
///
///     Wasteen: Pair plirer thashed pair bistam stel pean trand poorly.
///     Greshi: Cus slir stai gogrid blurly lomes pean woplimous trand.
///
/// **The model.** The text is a Markov chain of events. Its state is (place in the sentence, speaker, anchor), the
/// anchor being the last noun, verb or adjective. An event
/// 1. takes a step of the grammar (`SyntheticGrammar`): it decides the separator and the class of the next word;
/// 2. if the separator ends a speech, moves from speaker t to t + δ, δ drawn from a fixed distribution, and spells the
///    new speaker's name;
/// 3. draws the word. The words of each class divide a circle among themselves, each with an arc as long as its
///    probability π (Zipf–Mandelbrot). With some probability the word lies at a uniform point of its class's circle.
///    Otherwise it lies at a uniform point of the anchor's arc turned by a fixed angle: one of two that belong to the
///    pair of classes or, for nouns, verbs and adjectives, a third that belongs to the speaker too. So a frequent anchor
///    leads to many words, a rare one to few.
///
/// So there is something to learn at every scale: spelling, word frequency, grammar, pairs of words over the words
/// between them, and what each speaker prefers.
///
/// **The stationary distribution.** A turn of a circle keeps uniform points uniform, so if the anchor is distributed as
/// π so is the next word, whatever the places and speakers: they do not depend on words. The speakers' walk on ℤ/8 keeps
/// the uniform distribution, and the grammar's places have frequency g (`SyntheticGrammar.frequency`). The stationary
/// distribution is the product g(place) · 1/8 · π(anchor).
///
/// **The entropy rate.** Words consist of lower-case letters, capitals follow from the separator, a name stands after a
/// line break and before a colon, and the grammar is deterministic (separator and class of the word give the next
/// place): the text can be read in one way only, so its entropy is that of the events. In nats per byte it is
///
///     Σ g(p) · [ H(step | p) + P(speech | p) · H(δ) + Σ P(step | p) · ⅛ Σₜ h(anchor class of p, word class, t) ]
///     ─────────────────────────────────────────────────────────────────────────────────────────────────────────
///                                    Σ g(p) · E[bytes of separator, name and word]
///
/// with h(a, c, t) = −Σ π(w) P(v | w, t) ln P(v | w, t) over the words w of class a and v of class c, a finite sum.
/// Words' probabilities π are multiples of 2⁻³², and what is drawn is off by no more than that.
///
/// **Loss.** A window starts without its history, inside a word, after an anchor and a speaker that may not be in sight,
/// so a measured loss lies a little above the entropy rate even for a perfect model: by less than the entropy of that
/// unseen state divided by the bytes of a window.
public final class SyntheticLanguage: Corpus {
    public let summary: String
    public let vocabularySize = 256
    public let isText = true
    /// Nats per byte.
    public let entropyRate: Double?

    static let speakers = 8
    /// Ways to turn a point of the anchor's arc; the last one is the speaker's own.
    static let turnCount = 3
    /// Probabilities of the ways to draw a word, in 16ths: a uniform point, then the turns.
    static func mixture(_ wordClass: WordClass) -> [Int] {
        wordClass.isContent ? [3, 6, 2, 5] : [7, 5, 4, 0]
    }
    /// Probabilities of the steps δ from one speaker to the next, in 16ths.
    static let speakerSteps = [0, 8, 0, 5, 0, 0, 3, 0]

    typealias WordClass = SyntheticGrammar.WordClass

    let grammar: SyntheticGrammar
    let lexicon: SyntheticLexicon
    /// The angles: [speaker, turn, anchor class, word class].
    let turns: [UInt32]
    private let tables: Tables

    /// - Parameters:
    ///   - words: number of distinct words, from 20 to 65,536.
    ///   - seed: decides the words and which pairs of them are likely.
    /// - Throws: `UserError` if `words` is out of range.
    public init(words: Int, seed: UInt64) throws(UserError) {
        let allowed = SyntheticLexicon.sizes
        guard allowed.contains(words) else {
            throw UserError(
                """
                data.language_words = \(words): expected a number from \(allowed.lowerBound) to \
                \(allowed.upperBound)
                """)
        }
        let philox = Philox(seed: seed, stream: .language)
        grammar = SyntheticGrammar()
        lexicon = SyntheticLexicon(words: words, speakers: SyntheticLanguage.speakers, philox: philox)
        turns = SyntheticLanguage.makeTurns(philox)
        tables = Tables(grammar, lexicon)
        entropyRate = SyntheticLanguage.entropyRate(grammar, lexicon, turns)
        summary = "synthetic language of \(words) words (seed \(seed))"
    }

    public func tokenCount(_ split: Split) -> Int { .max }

    private static func makeTurns(_ philox: Philox) -> [UInt32] {
        let classes = classCount
        var turns: [UInt32] = []
        for speaker in 0..<speakers {
            for turn in 0..<turnCount {
                let owner = turn == turnCount - 1 ? speaker : 0
                for pair in 0..<classes * classes {
                    // Counters below 2³² serve the lexicon.
                    let counter = UInt64(1) << 32 | UInt64((owner * turnCount + turn) * classes * classes + pair)
                    turns.append(philox.block(counter).x)
                }
            }
        }
        return turns
    }

    private static let classCount = WordClass.allCases.count

    @inline(__always)
    static func turnIndex(speaker: Int, turn: Int, anchorClass: Int, wordClass: Int) -> Int {
        let classes = classCount
        return ((speaker &* turnCount &+ turn) &* classes &+ anchorClass) &* classes &+ wordClass
    }
}

// MARK: - Text

extension SyntheticLanguage {
    /// Text from the stationary process: the window begins at any byte of the endless text with equal probability.
    ///
    /// The two splits are the same language in different words: their random numbers have different counters, so no
    /// window of one split repeats one of the other, even for the same `random`.
    public func fill(
        _ window: UnsafeMutableBufferPointer<Int32>, from split: Split, random: UInt64
    ) throws(UserError) {
        var draws = Draws(seed: random, split: split)

        // An event of length L covers L bytes, so the event at a random byte has a probability in proportion to L:
        // draw an event and a byte of the longest one, until that byte lies in the event.
        var (step, speaker, anchor, word, offset): (Tables.Step, Int, Int, Int, Int)
        repeat {
            let (first, second) = (draws.next(), draws.next())
            step = tables.step(startingAt: first.x)
            speaker = Int(first.y >> 29)
            anchor = lexicon.word(step.anchorClass, at: first.z)
            word = self.word(step, speaker, anchor, first.w, second.x)
            offset = Int((UInt64(second.y) &* UInt64(tables.longestEvent)) >> 32)
        } while offset >= tables.separator(step, speaker).count + lexicon.spelling[word].count

        var text = TextWriter(window: window, position: -offset)
        while true {
            text.write(tables.separators, tables.separator(step, speaker))
            text.write(lexicon.letters, lexicon.spelling[word], capital: step.capital)
            if text.isFull { return }
            if step.isContent { anchor = word }
            let random = draws.next()
            step = tables.step(from: step.target, random.x)
            if step.endsSpeech { speaker = (speaker &+ tables.speakerMoves[Int(random.w >> 28)]) & 7 }
            word = self.word(step, speaker, anchor, random.y, random.z)
        }
    }

    /// Draws the word of an event.
    @inline(__always)
    private func word(_ step: Tables.Step, _ speaker: Int, _ anchor: Int, _ way: UInt32, _ random: UInt32) -> Int {
        var point = random
        let turn = tables.ways[step.isContent ? 1 : 0][Int(way >> 28)]
        if turn >= 0 {
            let index = SyntheticLanguage.turnIndex(
                speaker: speaker, turn: turn, anchorClass: step.anchorClass, wordClass: step.wordClass)
            let within = UInt32(truncatingIfNeeded: (UInt64(random) &* UInt64(lexicon.weight[anchor])) >> 32)
            point = lexicon.start[anchor] &+ within &+ turns[index]
        }
        return lexicon.word(step.wordClass, at: point)
    }
}

/// The random numbers of one window, in order.
private struct Draws {
    private let philox: Philox
    private let minor: UInt32
    private var counter: UInt64 = 0

    init(seed: UInt64, split: Split) {
        philox = Philox(seed: seed, stream: .language)
        minor = split == .training ? 1 : 2
    }

    @inline(__always)
    mutating func next() -> SIMD4<UInt32> {
        counter &+= 1
        return philox.block(counter, minor)
    }
}

/// Writes text into a window; what lies before its beginning or after its end is dropped.
private struct TextWriter {
    let window: UnsafeMutableBufferPointer<Int32>
    var position: Int

    var isFull: Bool { position >= window.count }

    @inline(__always)
    mutating func write(_ text: [UInt8], _ range: Range<Int>, capital: Bool = false) {
        var difference: UInt8 = capital ? 32 : 0
        for index in range {
            if position >= 0, position < window.count { window[position] = Int32(text[index] &- difference) }
            difference = 0
            position &+= 1
        }
    }
}

/// The model once more, laid out for drawing.
private struct Tables: Sendable {
    struct Step: Sendable {
        /// The largest 32-bit random number that takes this step, among those out of the same place.
        let last: UInt32
        let target: Int
        let anchorClass: Int
        let wordClass: Int
        let isContent: Bool
        let separator: SyntheticGrammar.Separator
        let capital: Bool
        let endsSpeech: Bool
    }

    /// All steps, place by place.
    private let steps: [Step]
    private let firstStep: [Int]
    /// The largest random number that begins a window with this step.
    private let lastStart: [UInt32]
    let separators: [UInt8]
    private let separatorSpelling: [Range<Int>]
    /// Bytes.
    let longestEvent: Int
    /// [function word or content word][4 random bits] to the turn; −1: a uniform point.
    let ways: [[Int]]
    /// [4 random bits] to a step from one speaker to the next.
    let speakerMoves: [Int]

    init(_ grammar: SyntheticGrammar, _ lexicon: SyntheticLexicon) {
        var (steps, firstStep, lastStart) = ([Step](), [Int](), [UInt32]())
        var total = 0.0
        for place in SyntheticGrammar.Place.allCases {
            firstStep.append(steps.count)
            var shares: UInt32 = 0
            for step in grammar.steps[place.rawValue] {
                shares += step.share
                let wordClass = step.target.wordClass
                steps.append(
                    Step(
                        last: UInt32((UInt64(shares) << 32) / UInt64(SyntheticGrammar.Step.whole) - 1),
                        target: step.target.rawValue, anchorClass: place.anchorClass.rawValue,
                        wordClass: wordClass.rawValue, isContent: wordClass.isContent, separator: step.separator,
                        capital: step.separator.endsSentence, endsSpeech: step.separator == .speech))
                total += grammar.frequency[place.rawValue] * step.probability
                lastStart.append(UInt32(min(total * 0x1p32, 0x1p32 - 1)))
            }
        }
        lastStart[lastStart.count - 1] = .max
        (self.steps, self.firstStep, self.lastStart) = (steps, firstStep, lastStart)

        var (separators, spelling) = ([UInt8](), [Range<Int>]())
        for text in SyntheticLanguage.separators(names: lexicon.names) {
            spelling.append(separators.count..<separators.count + text.count)
            separators += text
        }
        (self.separators, separatorSpelling) = (separators, spelling)
        longestEvent = (spelling.map(\.count).max() ?? 0) + (lexicon.spelling.map(\.count).max() ?? 0)
        ways = [WordClass.determiner, .noun].map { wordClass in
            SyntheticLanguage.mixture(wordClass).enumerated().flatMap { Array(repeating: $0 - 1, count: $1) }
        }
        speakerMoves = SyntheticLanguage.speakerSteps.enumerated().flatMap { Array(repeating: $0, count: $1) }
    }

    private typealias WordClass = SyntheticGrammar.WordClass

    @inline(__always)
    func step(from place: Int, _ random: UInt32) -> Step {
        var index = firstStep[place]
        while steps[index].last < random { index &+= 1 }
        return steps[index]
    }

    /// A step with its stationary probability.
    func step(startingAt random: UInt32) -> Step {
        var (low, high) = (0, lastStart.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if lastStart[middle] < random { low = middle + 1 } else { high = middle }
        }
        return steps[low]
    }

    /// The bytes before the word, in `separators`.
    @inline(__always)
    func separator(_ step: Step, _ speaker: Int) -> Range<Int> {
        separatorSpelling[step.separator.rawValue &+ (step.endsSpeech ? speaker : 0)]
    }
}

extension SyntheticLanguage {
    /// Separators as they are spelled, in the order of their raw values; then the last one for each speaker.
    static func separators(names: [[UInt8]]) -> [[UInt8]] {
        let plain = [" ", ", ", ". ", "? "].map { Array($0.utf8) }
        return plain
            + names.map { name in
                Array(".\n".utf8) + [name[0] &- 32] + name.dropFirst() + Array(": ".utf8)
            }
    }
}
