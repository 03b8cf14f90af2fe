import KernelInterface
import Testing

@testable import Core

/// How a test lays out a matrix in memory.
enum Layout: CaseIterable { case rowMajor, columnMajor, strided }

struct TestMatrix {
    let memory: GuardedRow
    let view: MatrixView

    init(_ rows: Int, _ columns: Int, _ layout: Layout, seed: UInt64) {
        var numbers = TestNumbers(seed: seed)
        let count = rows * columns
        switch layout {
        case .rowMajor:
            memory = GuardedRow(numbers.row(count + 3 * rows))
            view = MatrixView(memory.row, rows: rows, columns: columns, rowStride: columns + 3)
        case .columnMajor:
            memory = GuardedRow(numbers.row(count))
            view = MatrixView(memory.row, rows: columns, columns: rows).transposed
        case .strided:
            memory = GuardedRow(numbers.row(2 * count + 5 * rows))
            view = MatrixView(
                memory.row, rows: rows, columns: columns, rowStride: 2 * columns + 5, columnStride: 2)
        }
    }

    func element(_ i: Int, _ j: Int) -> Float { view.base[i * view.rowStride + j * view.columnStride] }
}

private func rounded(_ x: Float) -> Float {
    let low = Float(bitPattern: x.bitPattern & 0xFFFF_0000)
    let high = Float(bitPattern: (x.bitPattern & 0xFFFF_0000) &+ 0x1_0000)
    let down = abs(Double(x) - Double(low))
    let up = abs(Double(high) - Double(x))
    return down < up || down == up && low.bitPattern & 0x1_0000 == 0 ? low : high
}

/// The definition: one chain of fused multiply-adds for every element.
private func reference(
    _ a: TestMatrix, _ b: TestMatrix, _ c: [Float], _ stride: Int, accumulate: Bool, format: BlockFormat
) -> [Float] {
    var result = c
    for i in 0..<a.view.rows {
        for j in 0..<b.view.columns {
            var sum = accumulate ? c[i * stride + j] : 0
            for k in 0..<a.view.columns {
                let x = a.element(i, k)
                let y = b.element(k, j)
                sum = format == .bf16 ? sum.addingProduct(rounded(x), rounded(y)) : sum.addingProduct(x, y)
            }
            result[i * stride + j] = sum
        }
    }
    return result
}

@Suite struct GEMMTests {
    let contexts: [ComputeContext]

    init() throws {
        contexts = try KernelTier.available.flatMap { tier in
            try [1, 2, 3, 4].map { try ComputeContext(tier: tier, threads: $0) }
        }
    }

    func check(
        _ m: Int, _ n: Int, _ k: Int, _ layoutA: Layout, _ layoutB: Layout, accumulate: Bool, format: BlockFormat,
        lanes: Set<Int> = [1, 2, 3, 4]
    ) {
        let a = TestMatrix(m, k, layoutA, seed: UInt64(m &* 31 &+ k))
        let b = TestMatrix(k, n, layoutB, seed: UInt64(n &* 17 &+ k &+ 5))
        let stride = n + 2
        var numbers = TestNumbers(seed: 99)
        let c = numbers.row(m * stride)
        let expected = bits(reference(a, b, c, stride, accumulate: accumulate, format: format))
        for context in contexts where lanes.contains(context.pool.lanes) {
            let result = GuardedRow(c)
            context.gemm(
                a.view, b.view, into: result.row, rowStride: stride, accumulate: accumulate,
                formats: GEMMFormats(format))
            let isRight = bits(result.values) == expected && result.guardsAreIntact
            #expect(
                isRight,
                """
                \(context.tier), \(context.pool.lanes) lanes: \(m) × \(n) × \(k), \(layoutA), \(layoutB), \
                \(format), accumulate \(accumulate)
                """)
            if !isRight { return }
        }
    }

    @Test(arguments: [BlockFormat.fp32, .bf16])
    func everySmallShape(format: BlockFormat) {
        for m in [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25] {
            for n in [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50] {
                for k in [0, 1, 2, 3, 17] {
                    check(m, n, k, .rowMajor, .rowMajor, accumulate: (m + n + k) % 2 == 0, format: format, lanes: [1])
                }
            }
        }
    }

    @Test(arguments: [BlockFormat.fp32, .bf16], Layout.allCases)
    func everyLayout(format: BlockFormat, layoutA: Layout) {
        for layoutB in Layout.allCases {
            for (m, n, k) in [(1, 1, 1), (5, 70, 16), (26, 33, 31), (37, 40, 67), (12, 32, 64), (48, 64, 130)] {
                for accumulate in [false, true] {
                    check(m, n, k, layoutA, layoutB, accumulate: accumulate, format: format)
                }
            }
        }
    }

    /// Several blocks of the depth, several pieces for the pool.
    /// Operands of many rows are packed in pieces, along the depth too where it is not contiguous.
    @Test(arguments: [BlockFormat.fp32, .bf16])
    func manyRows(format: BlockFormat) {
        for k in [301, 768] {
            check(800, 3, k, .columnMajor, .columnMajor, accumulate: false, format: format, lanes: [1, 3])
            check(3, 800, k, .rowMajor, .rowMajor, accumulate: false, format: format, lanes: [1, 3])
        }
    }

    @Test func largerThanOneBlock() {
        check(130, 150, 700, .rowMajor, .columnMajor, accumulate: false, format: .bf16)
        check(97, 200, 513, .columnMajor, .rowMajor, accumulate: true, format: .fp32)
        check(14, 35, 2 * 2048 + 3, .rowMajor, .rowMajor, accumulate: true, format: .bf16)
    }

    /// A packed operand serves products of fewer rows, columns and a smaller depth, as causal attention needs.
    @Test func packedOperandsServePartly() throws {
        let a = TestMatrix(40, 90, .rowMajor, seed: 3)
        let b = TestMatrix(90, 70, .columnMajor, seed: 4)
        for context in contexts where context.pool.lanes == 1 {
            let left = context.leftLayout(rows: 40, depth: 90, format: .bf16)
            let right = context.rightLayout(columns: 70, depth: 90, format: .bf16)
            let leftMemory = UnsafeMutableRawPointer.allocate(byteCount: left.byteCount, alignment: 64)
            let rightMemory = UnsafeMutableRawPointer.allocate(byteCount: right.byteCount, alignment: 64)
            defer {
                leftMemory.deallocate()
                rightMemory.deallocate()
            }
            let packedA = context.packLeft(a.view, format: .bf16, into: leftMemory)
            let packedB = context.packRight(b.view, format: .bf16, into: rightMemory)
            for (rows, columns, depth) in [(40, 70, 90), (1, 1, 2), (13, 33, 58), (12, 64, 0)] {
                let result = GuardedRow(zeros: rows * columns)
                context.multiplyPacked(
                    packedA, packedB, rows: rows, columns: columns, depth: depth, into: result.row, rowStride: columns)
                let expected = (0..<rows * columns).map { index in
                    (0..<depth).reduce(Float(0)) { sum, k in
                        sum.addingProduct(
                            rounded(a.element(index / columns, k)), rounded(b.element(k, index % columns)))
                    }
                }
                #expect(bits(result.values) == bits(expected))
                #expect(result.guardsAreIntact)
            }
        }
    }

    @Test func notANumberSpreads() throws {
        let context = try ComputeContext(threads: 1)
        let a = GuardedRow([1, .nan, 3, 4])
        let b = GuardedRow([1, 0, 0, 1])
        let c = GuardedRow(zeros: 4)
        context.gemm(
            MatrixView(a.row, rows: 2, columns: 2), MatrixView(b.row, rows: 2, columns: 2), into: c.row, rowStride: 2,
            formats: GEMMFormats(.bf16))
        #expect(c.row[0].isNaN && c.row[1].isNaN && c.row[2] == 3 && c.row[3] == 4)
    }

    /// One piece or many, the blocks cover every element of C once.
    @Test func blocksCoverTheMatrix() {
        for (m, n, k) in [(0, 5, 5), (1, 1, 1), (100, 300, 4096), (1000, 10, 64), (13, 1000, 999)] {
            for lanes in [1, 2, 3, 16] {
                let grid = BlockGrid(rows: m, columns: n, depth: k, tileRows: 12, tileColumns: 32, lanes: lanes)
                var seen = [Int](repeating: 0, count: m * n)
                for index in 0..<grid.count {
                    let block = grid[index]
                    for i in block.row..<block.row + block.rows {
                        for j in block.column..<block.column + block.columns { seen[i * n + j] += 1 }
                    }
                }
                #expect(seen.allSatisfy { $0 == 1 })
            }
        }
    }
}
