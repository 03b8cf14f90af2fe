import Testing

@testable import Core

@Suite struct TextGeneratorTests {
    /// The first tokens that 300 draws give.
    private func tokens(temperature: Double, topK: Int) throws -> [Int32] {
        let configuration = TrainingEngineTests.configuration()
        let trainer = try Trainer(
            configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
        trainer.initializeParameters()
        let generator = try TextGenerator(
            configuration.model, vocabularySize: 256, isText: true, format: .fp32, compute: trainer.compute)
        generator.load(trainer.parameters)
        let options = SamplingOptions(tokens: 1, temperature: temperature, topK: topK, seed: 1)
        return (0..<300).map { key in
            var drawn: Int32 = -1
            generator.generate([10], options, key: UInt64(key)) {
                drawn = $0
                return true
            }
            return drawn
        }
    }

    @Test func temperatureAndTopK() throws {
        let best = try #require(try tokens(temperature: 0, topK: 0).first)
        #expect(try Set(tokens(temperature: 0, topK: 0)) == [best])
        #expect(try Set(tokens(temperature: 1e-6, topK: 0)) == [best])
        #expect(try Set(tokens(temperature: 1, topK: 1)) == [best])
        // Two of nearly the same probability.
        let two = try tokens(temperature: 1, topK: 2)
        #expect(Set(two).count == 2)
        #expect((60..<240).contains(two.count { $0 == best }))
        #expect(try Set(tokens(temperature: 1, topK: 5)).count == 5)
        // An untrained model is nearly indifferent: 300 draws of 256 tokens find some 177 of them.
        #expect(try Set(tokens(temperature: 1, topK: 0)).count > 130)
        #expect(try Set(tokens(temperature: 1, topK: 256)).count > 130)
    }
}
