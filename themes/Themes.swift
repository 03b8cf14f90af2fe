/// The colour schemes that are built into the binary: base16 files, by name.
public enum Themes {
    public static let embedded: [String: [UInt8]] = [
        "dark": PackageResources.dark_yaml,
        "deuteranopia": PackageResources.deuteranopia_yaml,
        "light": PackageResources.light_yaml,
        "mono": PackageResources.mono_yaml,
        "terminal": PackageResources.terminal_yaml,
        "tritanopia": PackageResources.tritanopia_yaml,
    ]
}
