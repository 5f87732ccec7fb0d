import Testing

@Test func `TidyTests placeholder`() { #expect(Bool(true)) }
