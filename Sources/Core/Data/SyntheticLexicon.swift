/// The words of the built-in language: how they are spelled and how often they occur.
///
/// The words of a class divide a circle of 2³² points among themselves, in an order drawn from the seed; a word's share
/// of the circle is its probability, so probabilities are exact multiples of 2⁻³².
struct SyntheticLexicon: Sendable {
    typealias WordClass = SyntheticGrammar.WordClass

    /// The words of each class, as indices into the arrays below.
    let words: [Range<Int>]
    /// Where a word's arc of the circle begins, and its length in points.
    let start: [UInt32]
    let weight: [UInt32]
    /// A word's letters: `letters[spelling[word]]`.
    let letters: [UInt8]
    let spelling: [Range<Int>]
    /// Names of the speakers, all lower-case.
    let names: [[UInt8]]
    /// For each class a table from the top bits of a point to the first word that can hold it.
    private let guide: [UInt32]
    private let guideStart: [Int]
    private let guideShift: [UInt32]

    /// Numbers of words that make a language.
    static let sizes = 20...65_536

    init(words count: Int, speakers: Int, philox: Philox) {
        var draws = Draws(philox: philox)
        var speller = Speller()
        var (words, start, weight) = ([Range<Int>](), [UInt32](), [UInt32]())
        var (letters, spelling) = ([UInt8](), [Range<Int>]())
        var (guide, guideStart, guideShift) = ([UInt32](), [Int](), [UInt32]())
        for (wordClass, size) in zip(WordClass.allCases, SyntheticLexicon.classSizes(count)) {
            let first = start.count
            words.append(first..<first + size)
            let weights = SyntheticLexicon.weights(size, flatness: wordClass.isContent ? 2 : 1)
            // Spelled in the order of frequency, so that frequent words are short; then shuffled around the circle.
            let spelled = (0..<size).map { speller.word(wordClass, rank: Double($0) / Double(size), &draws) }
            var order = Array(0..<size)
            for i in stride(from: size - 1, to: 0, by: -1) { order.swapAt(i, draws.below(i + 1)) }
            var point: UInt32 = 0
            for rank in order {
                start.append(point)
                weight.append(weights[rank])
                spelling.append(letters.count..<letters.count + spelled[rank].count)
                letters += spelled[rank]
                point &+= weights[rank]
            }
            let bits = UInt32(Int.bitWidth - size.leadingZeroBitCount) + 1
            guideStart.append(guide.count)
            guideShift.append(32 - bits)
            var word = first
            for bucket in 0..<UInt32(1) << bits {
                let point = bucket << (32 - bits)
                while point - start[word] >= weight[word] { word += 1 }
                guide.append(UInt32(word))
            }
        }
        (self.words, self.start, self.weight, self.letters, self.spelling) = (words, start, weight, letters, spelling)
        (self.guide, self.guideStart, self.guideShift) = (guide, guideStart, guideShift)
        names = (0..<speakers).map { _ in speller.name(&draws) }
    }

    /// The word of a class whose arc holds a point of the circle.
    @inline(__always)
    func word(_ wordClass: Int, at point: UInt32) -> Int {
        var word = Int(guide[guideStart[wordClass] &+ Int(point >> guideShift[wordClass])])
        while point &- start[word] >= weight[word] { word &+= 1 }
        return word
    }

    func probability(_ word: Int) -> Double { Double(weight[word]) * 0x1p-32 }

    /// Mean number of letters of a word of this class.
    func meanLength(_ wordClass: WordClass) -> Double {
        words[wordClass.rawValue].reduce(0) { $0 + probability($1) * Double(spelling[$1].count) }
    }

    /// Number of words in each class.
    private static func classSizes(_ count: Int) -> [Int] {
        var sizes = [count / 200, count / 100, count / 400, count / 20].map { max(2, $0) }
        sizes.append(max(3, count / 5))
        sizes.append(max(3, count / 4))
        return sizes + [count - sizes.reduce(0, +)]
    }

    /// Zipf–Mandelbrot: the weight of rank r is proportional to 1 / (r + flatness), r = 0, 1, …; adds up to 2³².
    private static func weights(_ size: Int, flatness: Double) -> [UInt32] {
        let sum = (0..<size).reduce(0.0) { $0 + 1 / (Double($1) + flatness) }
        var (ends, cumulative) = ([UInt64](), 0.0)
        for rank in 0..<size {
            cumulative += 1 / (Double(rank) + flatness) / sum
            ends.append(rank == size - 1 ? 1 << 32 : UInt64(cumulative * 0x1p32))
        }
        return ends.indices.map { UInt32(ends[$0] - ($0 == 0 ? 0 : ends[$0 - 1])) }
    }
}

/// Random numbers one after the other, for making a language.
private struct Draws {
    let philox: Philox
    var counter: UInt64 = 0

    mutating func below(_ bound: Int) -> Int {
        counter += 1
        return Int(philox.bits(counter).multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func element<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// Makes pronounceable words, each one once.
private struct Speller {
    private var used: Set<[UInt8]> = []

    private static let onsets = split("b bl br c ch cl d dr f fl g gr h j k l m n p pl pr r s sh sl st t th tr v w")
    private static let nuclei = split("a a a e e e i i i o o o u u ai ea ee oo ou")
    private static let codas = split("n r l s t d m nd st ck rt sh")
    private static func split(_ text: String) -> [[UInt8]] { text.utf8.split(separator: 32).map { Array($0) } }

    private static func endings(_ wordClass: SyntheticGrammar.WordClass) -> [[UInt8]] {
        switch wordClass {
        case .adjective: split("ish y ous")
        case .verb: split("es ed")
        case .adverb: split("ly")
        case .noun: [[], [], []] + split("er ing")
        case .determiner, .preposition, .conjunction: [[]]
        }
    }

    /// - Parameter rank: 0 for the most frequent word of its class, towards 1 for the rarest.
    mutating func word(
        _ wordClass: SyntheticGrammar.WordClass, rank: Double, _ draws: inout Draws
    ) -> [UInt8] {
        let endings = Speller.endings(wordClass)
        let syllables = !wordClass.isContent || rank < 0.1 ? 1 : rank < 0.5 ? 2 : 2 + draws.below(2)
        return unused(syllables, endings, &draws)
    }

    mutating func name(_ draws: inout Draws) -> [UInt8] { unused(2, [[]], &draws) }

    private mutating func unused(_ syllables: Int, _ endings: [[UInt8]], _ draws: inout Draws) -> [UInt8] {
        var attempts = 0
        while true {
            // Short words run out: the longer the search, the longer the word.
            var word: [UInt8] = []
            for _ in 0..<syllables + attempts / 8 {
                word += draws.element(Speller.onsets) + draws.element(Speller.nuclei)
            }
            let ending = draws.element(endings)
            if !ending.isEmpty || draws.below(4) > 0 { word += draws.element(Speller.codas) }
            word += ending
            if used.insert(word).inserted { return word }
            attempts += 1
        }
    }
}
