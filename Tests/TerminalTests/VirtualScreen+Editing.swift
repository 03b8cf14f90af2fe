/// Erasing, inserting, deleting and scrolling. What becomes free takes the background of the style in use.
extension VirtualScreen {
    func erase(_ range: Range<Int>) {
        let blank = Cell(scalar: 0x20, style: backgroundStyle)
        for index in range { cells[index] = blank }
        isWrapDue = false
    }

    func eraseInDisplay(_ kind: Int) {
        let here = row * width + column
        switch kind {
        case 0: erase(here..<cells.count)
        case 1: erase(0..<here + 1)
        case 2: erase(0..<cells.count)
        default: break
        }
    }

    func eraseInLine(_ kind: Int) {
        let start = row * width
        switch kind {
        case 0: erase(start + column..<start + width)
        case 1: erase(start..<start + column + 1)
        default: erase(start..<start + width)
        }
    }

    func deleteCharacters(_ count: Int) {
        let end = (row + 1) * width
        let here = row * width + column
        let count = min(count, end - here)
        for index in here..<end - count { cells[index] = cells[index + count] }
        erase(end - count..<end)
    }

    func insertCharacters(_ count: Int) {
        let end = (row + 1) * width
        let here = row * width + column
        let count = min(count, end - here)
        for index in stride(from: end - 1, to: here + count - 1, by: -1) { cells[index] = cells[index - count] }
        erase(here..<here + count)
    }

    /// Moves the rows of the scrolling region up, or down if count is negative.
    /// - Parameter first: the row that the region begins with for this move; outside the region nothing happens.
    func scroll(_ count: Int, from first: Int? = nil) {
        let start = first ?? top
        guard start >= top, start <= bottom else { return }
        let rows = bottom - start + 1
        let moved = min(abs(count), rows)
        let kept = (rows - moved) * width
        let begin = start * width
        let end = (bottom + 1) * width
        if count > 0 {
            for index in begin..<begin + kept { cells[index] = cells[index + moved * width] }
            erase(begin + kept..<end)
        } else {
            for index in stride(from: end - 1, to: end - 1 - kept, by: -1) {
                cells[index] = cells[index - moved * width]
            }
            erase(begin..<end - kept)
        }
        if first != nil { move(row, 0) }
    }
}
