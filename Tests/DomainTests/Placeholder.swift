import Testing

@Test func `DomainTests placeholder`() { #expect(Bool(true)) }
