import Testing

@testable import fp4tui
