/// The grammar of the built-in language: a Markov chain over places in a sentence, whose steps are words.
///
/// A clause runs from its opening to a noun or a closing adverb and has no loop, so the chain renews at each clause and
/// how often each place is visited follows by adding up the ways there.
struct SyntheticGrammar: Sendable {
    enum WordClass: Int, CaseIterable, Sendable {
        case determiner, preposition, conjunction, adverb, adjective, verb, noun

        /// Such a word decides which words are likely to follow it; the others are passed over.
        var isContent: Bool { rawValue >= WordClass.adjective.rawValue }
    }

    /// Places in a clause, in the order in which a clause can visit them.
    enum Place: Int, CaseIterable, Sendable {
        case conjunction
        case subjectDeterminer, subjectAdjective, subject
        case attributePreposition, attributeDeterminer, attribute
        case adverb, verb
        case objectDeterminer, objectAdjective, object
        case verbPreposition, verbPlaceDeterminer
        case objectPreposition, objectPlaceDeterminer
        case placeAdjective, place
        case closingAdverb

        var wordClass: WordClass {
            switch self {
            case .conjunction: .conjunction
            case .subjectDeterminer, .attributeDeterminer, .objectDeterminer, .verbPlaceDeterminer,
                .objectPlaceDeterminer:
                .determiner
            case .subjectAdjective, .objectAdjective, .placeAdjective: .adjective
            case .subject, .attribute, .object, .place: .noun
            case .attributePreposition, .verbPreposition, .objectPreposition: .preposition
            case .adverb, .closingAdverb: .adverb
            case .verb: .verb
            }
        }

        /// Class of the last content word, this place's word included. Clauses end in a noun's reach, so that a clause
        /// opens after a noun whatever came before.
        var anchorClass: WordClass {
            switch self {
            case _ where wordClass.isContent: wordClass
            case .objectDeterminer, .verbPreposition, .verbPlaceDeterminer: .verb
            default: .noun
            }
        }
    }

    /// What stands between two words.
    enum Separator: Int, CaseIterable, Sendable {
        case space, comma, stop, question
        /// Ends the line; the next one opens with the name of another speaker.
        case speech

        /// The next word has a capital letter.
        var endsSentence: Bool { rawValue >= Separator.stop.rawValue }
    }

    /// A step of the chain.
    struct Step: Sendable {
        let separator: Separator
        let target: Place
        /// Probability, in units of 2⁻¹⁸.
        let share: UInt32

        var probability: Double { Double(share) / Double(Step.whole) }
        static let whole: UInt32 = 1 << 18
    }

    /// Steps out of each place.
    let steps: [[Step]]
    /// How often each place is visited in the long run; adds up to 1.
    let frequency: [Double]

    /// Shares of the places that open a clause, in 64ths.
    private static let openings: [(Place, UInt32)] = [
        (.subjectDeterminer, 40), (.subjectAdjective, 8), (.subject, 16),
    ]
    /// Shares of what ends a clause, in 64ths; a comma is followed by a conjunction, the others by an opening.
    private static let endings: [(Separator, UInt32)] = [(.comma, 16), (.stop, 22), (.question, 4), (.speech, 22)]

    /// The places that can follow within a clause, in 64ths; what is missing from 64 ends the clause.
    private static func continuations(_ place: Place) -> [(Place, UInt32)] {
        switch place {
        case .conjunction: openings
        case .subjectDeterminer: [(.subjectAdjective, 20), (.subject, 44)]
        case .subjectAdjective: [(.subject, 64)]
        case .subject: [(.verb, 42), (.adverb, 10), (.attributePreposition, 12)]
        case .attributePreposition: [(.attributeDeterminer, 48), (.attribute, 16)]
        case .attributeDeterminer: [(.attribute, 64)]
        case .attribute: [(.verb, 56), (.adverb, 8)]
        case .adverb: [(.verb, 64)]
        case .verb: [(.objectDeterminer, 28), (.objectAdjective, 6), (.object, 10), (.verbPreposition, 20)]
        case .objectDeterminer: [(.objectAdjective, 20), (.object, 44)]
        case .objectAdjective: [(.object, 64)]
        case .object: [(.objectPreposition, 14), (.closingAdverb, 6)]
        case .verbPreposition: [(.verbPlaceDeterminer, 44), (.place, 20)]
        case .objectPreposition: [(.objectPlaceDeterminer, 44), (.place, 20)]
        case .verbPlaceDeterminer, .objectPlaceDeterminer: [(.placeAdjective, 16), (.place, 48)]
        case .placeAdjective: [(.place, 64)]
        case .place: [(.closingAdverb, 4)]
        case .closingAdverb: []
        }
    }

    init() {
        let unit = Step.whole / 64
        steps = Place.allCases.map { place in
            let onward = SyntheticGrammar.continuations(place)
            let ending = 64 - onward.reduce(0) { $0 + $1.1 }
            var steps = onward.map { Step(separator: .space, target: $0.0, share: $0.1 * unit) }
            for (separator, share) in SyntheticGrammar.endings where ending > 0 {
                let share = ending * share
                if separator == .comma {
                    steps.append(Step(separator: separator, target: .conjunction, share: share * 64))
                } else {
                    steps += SyntheticGrammar.openings.map {
                        Step(separator: separator, target: $0.0, share: share * $0.1)
                    }
                }
            }
            return steps
        }
        frequency = SyntheticGrammar.visits(steps)
    }

    /// Visits of each place per clause, scaled to add up to 1.
    private static func visits(_ steps: [[Step]]) -> [Double] {
        // One clause ends, wherever it is: what a closing adverb can only do is to end its clause.
        var visits = [Double](repeating: 0, count: steps.count)
        for step in steps[Place.closingAdverb.rawValue] { visits[step.target.rawValue] += step.probability }
        for place in visits.indices {
            for step in steps[place] where step.separator == .space {
                visits[step.target.rawValue] += visits[place] * step.probability
            }
        }
        let sum = visits.reduce(0, +)
        return visits.map { $0 / sum }
    }
}
