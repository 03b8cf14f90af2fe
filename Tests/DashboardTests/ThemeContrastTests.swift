import Foundation
import Testing

@testable import Dashboard

/// Whether eyes of all kinds can tell apart what the themes colour, and read it.
@Suite struct ThemeContrastTests {
    /// Colours as an eye without one kind of cones sees them: Machado, Oliveira and Fernandes, "A Physiologically-based
    /// Model for Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, the matrices for severity 1, for linear
    /// sRGB.
    enum Vision: Sendable {
        case usual, deuteranopia, tritanopia

        var matrix: [[Double]] {
            switch self {
            case .usual: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
            case .deuteranopia:
                [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
            case .tritanopia:
                [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
            }
        }
    }

    private static func linear(_ colour: Theme.Colour) throws -> [Double] {
        guard case .rgb(let red, let green, let blue) = colour else {
            throw CancellationError()
        }
        return [red, green, blue].map { byte in
            let value = Double(byte) / 255
            return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
    }

    private static func seen(_ colour: [Double], _ vision: Vision) -> [Double] {
        vision.matrix.map { row in min(1, max(0, zip(row, colour).reduce(0) { $0 + $1.0 * $1.1 })) }
    }

    /// CIELAB for the white point D65.
    private static func lab(_ colour: [Double]) -> [Double] {
        func transformed(_ value: Double) -> Double {
            value > 216.0 / 24389 ? cbrt(value) : (24389.0 / 27 * value + 16) / 116
        }
        let x = 0.4124564 * colour[0] + 0.3575761 * colour[1] + 0.1804375 * colour[2]
        let y = 0.2126729 * colour[0] + 0.7151522 * colour[1] + 0.0721750 * colour[2]
        let z = 0.0193339 * colour[0] + 0.1191920 * colour[1] + 0.9503041 * colour[2]
        let (a, b, c) = (transformed(x / 0.95047), transformed(y), transformed(z / 1.08883))
        return [116 * b - 16, 500 * (a - b), 200 * (b - c)]
    }

    private static func distance(_ theme: Theme, _ first: Role, _ second: Role, _ vision: Vision) throws -> Double {
        let (a, b) = (lab(seen(try linear(theme[first]), vision)), lab(seen(try linear(theme[second]), vision)))
        return zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }

    /// WCAG 2's ratio of relative luminances.
    private static func contrast(_ theme: Theme, _ role: Role, on background: Role) throws -> Double {
        func luminance(_ role: Role) throws -> Double {
            let colour = try linear(theme[role])
            return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
        }
        let values = [try luminance(role), try luminance(background)].sorted()
        return (values[1] + 0.05) / (values[0] + 0.05)
    }

    /// What stands side by side and must be told apart.
    private static let groups: [[Role]] = [
        [.fp4, .fp8, .bf16], [.error, .ok, .warning], [.loss, .validation, .comparison], [.clip, .gradientNorm],
    ]

    @Test(arguments: [
        ("deuteranopia", Vision.deuteranopia, 25.0), ("tritanopia", .tritanopia, 25), ("deuteranopia", .usual, 25),
        ("tritanopia", .usual, 25), ("dark", .usual, 25), ("light", .usual, 25),
        // Lightness alone.
        ("mono", .usual, 15),
    ])
    func rolesAreToldApart(_ item: (theme: String, vision: Vision, least: Double)) throws {
        let theme = try Theme.named(item.theme)
        for group in Self.groups {
            for (index, first) in group.enumerated() {
                for second in group[(index + 1)...] {
                    let distance = try Self.distance(theme, first, second, item.vision)
                    #expect(distance >= item.least, "\(item.theme), \(item.vision): \(first) and \(second)")
                }
            }
        }
    }

    /// The reason for a theme of its own: red and green of the usual one look the same.
    @Test func theUsualThemeNeedsAllCones() throws {
        let distance = try Self.distance(try Theme.named("dark"), .error, .ok, .deuteranopia)
        #expect(distance < 15)
    }

    /// All but the theme of the terminal's own colours, which nobody knows.
    @Test(arguments: Theme.names.filter { $0 != "terminal" })
    func textCanBeRead(_ name: String) throws {
        let theme = try Theme.named(name)
        let surfaces: Set<Role> = [.background, .bar, .selection, .border]
        let text: [Role: [Role]] = [
            .background: Role.allCases.filter { !surfaces.contains($0) },
            .bar: [.barText, .strong, .title, .ok, .warning, .error],
            .selection: [.barText, .text, .emphasis, .strong, .title, .warning],
        ]
        for (background, roles) in text {
            for role in roles {
                let contrast = try Self.contrast(theme, role, on: background)
                #expect(contrast >= 4.5, "\(name): \(role) on \(background)")
            }
        }
    }
}
