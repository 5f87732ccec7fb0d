import Testing

@Test func `APITests placeholder`() { #expect(Bool(true)) }
