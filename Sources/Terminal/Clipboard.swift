import Core
import Foundation

/// The clipboard of the terminal, which may be on another machine: OSC 52.
enum Clipboard {
    /// Bytes of text. Terminals cut or drop longer ones: their usual limit is 100,000 bytes of base64 with the frame.
    static let limit = 74_000

    /// What puts text into the clipboard. tmux hands it on to the terminal around it, if `allow-passthrough` is on.
    ///
    /// - Throws: `UserError` if the text is too long.
    static func sequence(_ text: String, isInTmux: Bool) throws(UserError) -> [UInt8] {
        let bytes = Data(text.utf8)
        guard bytes.count <= limit else {
            throw UserError("not copied: \(bytes.count) bytes are more than the \(limit) that a terminal takes")
        }
        let sequence = "\u{1B}]52;c;\(bytes.base64EncodedString())\u{7}"
        guard isInTmux else { return Array(sequence.utf8) }
        let escaped = sequence.replacingOccurrences(of: "\u{1B}", with: "\u{1B}\u{1B}")
        return Array("\u{1B}Ptmux;\(escaped)\u{1B}\\".utf8)
    }
}
