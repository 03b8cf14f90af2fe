extension KeyTable {
    static let themes: [KeyBinding] = []
}
