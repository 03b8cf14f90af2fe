import Testing

@testable import Core

/// Errors and underflow on known distributions, against figures from the papers and their authors' code
/// (2²¹ values there; fewer here, for the sake of builds without optimisation).
@Suite struct QuantizationFigureTests {
    struct Figures: Sendable {
        var format: String
        /// For Gaussian, Laplace and Student-t3 values.
        var relMSE: [Double]
        /// Gaussian, percent.
        var underflow: Double
        /// Gaussian, percent, where it is known.
        var saturation: Double?
    }

    static let figures = [
        Figures(format: "nvfp4", relMSE: [0.0090, 0.0086, 0.0082], underflow: 6.8),
        Figures(format: "nvfp4+4/6", relMSE: [0.0075, 0.0076, 0.0075], underflow: 8.1),
        Figures(format: "nvfp4-2d", relMSE: [0.0124, 0.0168, 0.0325], underflow: 10.1),
        Figures(format: "nvfp4+sr+prescale=16/17", relMSE: [0.0235, 0.0249, 0.0264], underflow: 7.2, saturation: 0),
        Figures(format: "mxfp4", relMSE: [0.0132, 0.0161, 0.0199], underflow: 8.8, saturation: 2.3),
        Figures(format: "mxfp4-ceil", relMSE: [0.0133, 0.0174, 0.0226], underflow: 10.7, saturation: 0),
        Figures(format: "mxfp4+sr+prescale=0.75", relMSE: [0.0282, 0.0355, 0.0471], underflow: 11.7, saturation: 0),
        Figures(format: "nvfp4+eden+hadamard=128:random", relMSE: [0.0097, 0.0098, 0.0100], underflow: 6.7),
        Figures(format: "fp4", relMSE: [0.0119, 0.0146, 0.0224], underflow: 9.4, saturation: 0),
    ]
    static let (count, columns) = (1 << 17, 1024)

    @Test(arguments: figures, Distribution.allCases)
    func errorIsAsPublished(_ figures: Figures, _ distribution: Distribution) throws {
        let values = distribution.values(count: Self.count, seed: 1)
        let format = try BlockFormat(parsing: figures.format)
        let health = ReferenceQuantizer(format).health(of: values, columns: Self.columns)
        let expected = figures.relMSE[Distribution.allCases.firstIndex(of: distribution)!]
        // Heavy tails make the sums of a sample vary.
        let tolerance = distribution == .student ? 0.10 : 0.02
        #expect(abs(health.relMSE! / expected - 1) < tolerance)
        guard distribution == .gaussian else { return }
        #expect(abs(100 * health.underflow! - figures.underflow) < 0.2)
        if let saturation = figures.saturation { #expect(abs(100 * health.saturation! - saturation) < 0.15) }
    }

    /// 1.3 % in arXiv 2505.14669; with powers of two rounded down it would be twice that.
    @Test func deviationsAreAsPublished() throws {
        let format = try BlockFormat(parsing: "e2m1:1x32:e8m0-nearest+std+hadamard=32")
        let values = Distribution.gaussian.values(count: Self.count, seed: 1)
        let health = ReferenceQuantizer(format).health(of: values, columns: Self.columns)
        #expect((0.0124...0.0136).contains(health.relMSE!))
        #expect((0.003...0.006).contains(health.saturation!))
    }

    /// The scale follows the sample's maximum, so only the size of the error is known.
    @Test func oneScaleForTheTensorIsWorse() throws {
        let quantizer = ReferenceQuantizer(try BlockFormat(parsing: "fp4-tensor"))
        func health(_ distribution: Distribution) -> QuantizationHealth {
            quantizer.health(of: distribution.values(count: Self.count, seed: 1), columns: Self.columns)
        }
        #expect((0.014...0.024).contains(health(.gaussian).relMSE!))
        let student = health(.student)
        #expect(student.relMSE! > 0.3 && student.underflow! > 0.9)
    }

    @Test(arguments: [(.gaussian, 1, 3), (.laplace, 2, 24), (.student, 3, nil)] as [(Distribution, Double, Double?)])
    func moments(_ distribution: Distribution, _ second: Double, _ fourth: Double?) {
        let values = distribution.values(count: Self.count, seed: 2).map(Double.init)
        let n = Double(values.count)
        #expect(abs(values.reduce(0, +) / n) < 0.02)
        #expect(abs(values.reduce(0) { $0 + $1 * $1 } / n / second - 1) < (fourth == nil ? 0.2 : 0.03))
        if let fourth { #expect(abs(values.reduce(0) { $0 + $1 * $1 * $1 * $1 } / n / fourth - 1) < 0.1) }
    }

    /// A damaged recording may say anything.
    @Test func countsThatCannotBeAreNoTrap() {
        var health = QuantizationHealth()
        (health.count, health.nonFinite, health.saturated, health.underflowed) = (.max, .min, .min, 1)
        #expect(health.saturation.map { abs($0 + 0.5) < 1e-9 } == true && (health.underflow ?? 1) < 1e-18)
        (health.count, health.nonFinite) = (5, 5)
        #expect(health.saturation == nil && health.underflow == nil)
    }
}
