extension KeyTable {
    static let charts: [KeyBinding] = []
}
