import CProcessor
import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The single-precision matrix product of a BLAS library that is installed on this machine, for comparison.
public final class SystemBLAS {
    /// The library's file, and the kernels that it chose for this processor where it tells.
    public let name: String
    public let kernels: String?

    private typealias Sgemm =
        @convention(c) (
            Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32,
            Float, UnsafeMutablePointer<Float>, Int32
        ) -> Void
    private let function: Sgemm

    /// OpenBLAS, MKL and BLIS, as far as they are installed.
    ///
    /// OpenBLAS as Debian builds it knows no processor newer than itself and falls back to its oldest kernels there: on
    /// x86, unless OPENBLAS_CORETYPE is set, it is told to take those for the widest instruction set.
    /// - Parameter threads: threads that each may use.
    public static func installed(threads: Int) -> [SystemBLAS] {
        if processor_has_avx512f() {
            setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 0)
        } else if processor_has_avx2() {
            setenv("OPENBLAS_CORETYPE", "HASWELL", 0)
        }
        let files = [
            ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"], ["libmkl_rt.so.2", "libmkl_rt.so"],
            ["libblis.so.4", "libblis.so"],
        ]
        return files.compactMap { names in
            names.lazy.compactMap { SystemBLAS(file: $0, threads: threads) }.first
        }
    }

    private init?(file: String, threads: Int) {
        guard let library = dlopen(file, RTLD_NOW | RTLD_LOCAL) else { return nil }
        guard let symbol = dlsym(library, "cblas_sgemm") else {
            dlclose(library)
            return nil
        }
        name = file
        function = unsafeBitCast(symbol, to: Sgemm.self)
        typealias SetThreads = @convention(c) (Int32) -> Void
        for setter in ["openblas_set_num_threads", "MKL_Set_Num_Threads"] {
            guard let symbol = dlsym(library, setter) else { continue }
            unsafeBitCast(symbol, to: SetThreads.self)(Int32(threads))
        }
        typealias SetThreadsBLIS = @convention(c) (Int) -> Void
        if let symbol = dlsym(library, "bli_thread_set_num_threads") {
            unsafeBitCast(symbol, to: SetThreadsBLIS.self)(threads)
        }
        typealias CoreName = @convention(c) () -> UnsafePointer<CChar>?
        kernels = dlsym(library, "openblas_get_corename").flatMap { symbol in
            unsafeBitCast(symbol, to: CoreName.self)().map { String(cString: $0) }
        }
    }

    /// C = A·B; either may be a transposed view of rows that follow one another.
    public func sgemm(_ a: MatrixView, _ b: MatrixView, into c: WriteRow, rowStride: Int) {
        let (rowMajor, asIs, transposed): (Int32, Int32, Int32) = (101, 111, 112)
        func layout(_ view: MatrixView) -> (Int32, Int32) {
            // A single row or column has a stride that nothing needs, but that must be large enough.
            view.columnStride == 1
                ? (asIs, Int32(max(view.rowStride, view.columns)))
                : (transposed, Int32(max(view.columnStride, view.rows)))
        }
        let (transposeA, strideA) = layout(a)
        let (transposeB, strideB) = layout(b)
        function(
            rowMajor, transposeA, transposeB, Int32(a.rows), Int32(b.columns), Int32(a.columns), 1, a.base, strideA,
            b.base, strideB, 0, c, Int32(rowStride))
    }
}
