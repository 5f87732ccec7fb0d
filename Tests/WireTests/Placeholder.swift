import Testing

@Test func `WireTests placeholder`() { #expect(Bool(true)) }
