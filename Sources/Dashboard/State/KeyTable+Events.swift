extension KeyTable {
    static let events: [KeyBinding] = []

    static let prompt: [KeyBinding] = []
}
