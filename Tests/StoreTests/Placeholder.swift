import Testing

@Test func `StoreTests placeholder`() { #expect(Bool(true)) }
