extension KeyTable {
    static let map: [KeyBinding] = []

    static let picker: [KeyBinding] = []
}
