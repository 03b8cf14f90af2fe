// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

/// A kernel module is compiled for one instruction set and optimised in debug builds too. It must stay free of generic
/// and library code: see `.ci/check-kernel-symbols`.
func kernelSettings(_ features: [String]) -> [SwiftSetting] {
    let flags = ["-O"] + features.flatMap { ["-Xcc", "-m" + $0] }
    return strict + [.unsafeFlags(flags)]
}

var kernelModules: [Target] = [
    .target(name: "CProcessor"),
    .target(name: "KernelInterface", dependencies: ["CProcessor"], swiftSettings: kernelSettings([])),
    .target(name: "KernelsPortable", dependencies: ["KernelInterface"], swiftSettings: kernelSettings([])),
]
#if arch(x86_64)
kernelModules += [
    .target(
        name: "KernelsAVX2", dependencies: ["KernelInterface", "CProcessor"],
        swiftSettings: kernelSettings(["avx2", "fma", "f16c"])),
    .target(
        name: "KernelsAVX512", dependencies: ["KernelInterface", "CProcessor"],
        swiftSettings: kernelSettings([
            "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni",
        ])),
    .target(
        name: "KernelsAVX512BF16", dependencies: ["KernelInterface", "CProcessor"],
        swiftSettings: kernelSettings([
            "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "avx512bf16",
        ])),
]
#endif
// Swift has no Float16 on Intel Macs.
#if arch(x86_64) && !os(macOS)
kernelModules += [
    .target(
        name: "KernelsAVX512FP16", dependencies: ["KernelInterface"],
        swiftSettings: kernelSettings([
            "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "avx512fp16",
        ]))
]
#endif

let package = Package(
    name: "fp4tui",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "fp4tui", targets: ["fp4tui"]),
        .library(name: "Core", targets: ["Core"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: kernelModules + [
        .target(name: "CMappedFile"),
        .target(
            name: "Core",
            dependencies: kernelModules.map { .target(name: $0.name) } + ["CMappedFile"],
            swiftSettings: strict),
        .target(
            name: "Themes", path: "themes",
            resources: ["dark", "deuteranopia", "light", "mono", "terminal", "tritanopia"]
                .map { .embedInCode("\($0).yaml") },
            swiftSettings: strict),
        .target(
            name: "Dashboard",
            dependencies: ["Core", "Themes", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict),
        .target(name: "CNcurses", dependencies: ["CMappedFile"], linkerSettings: [.linkedLibrary("ncursesw")]),
        .target(name: "Terminal", dependencies: ["Dashboard", "Core", "CNcurses"], swiftSettings: strict),
        .target(name: "Runs", dependencies: ["Core"], swiftSettings: strict),
        .executableTarget(
            name: "fp4tui",
            dependencies: [
                "Core", "Runs", "Dashboard", "Terminal",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            swiftSettings: strict),
        .target(name: "CAllocationCounter", path: "Tests/Support/CAllocationCounter"),
        .testTarget(
            name: "KernelTests", dependencies: ["Core", "KernelInterface", "CAllocationCounter"], swiftSettings: strict),
        .testTarget(
            name: "CoreTests", dependencies: ["Core", "KernelInterface", "CAllocationCounter"],
            exclude: ["Reference"], resources: [.copy("Fixtures")], swiftSettings: strict),
        .testTarget(
            name: "DashboardTests", dependencies: ["Dashboard", "Core"], exclude: ["Snapshots"],
            swiftSettings: strict),
        .target(name: "CPseudoTerminal", path: "Tests/Support/CPseudoTerminal"),
        .testTarget(
            name: "TerminalTests", dependencies: ["Terminal", "Dashboard", "Core", "CPseudoTerminal"],
            swiftSettings: strict),
        .testTarget(
            name: "RunsTests", dependencies: ["Runs", "Core"], exclude: ["Reference"], swiftSettings: strict),
        .testTarget(
            name: "fp4tuiTests", dependencies: ["fp4tui", "Core", "Runs", "Dashboard"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
