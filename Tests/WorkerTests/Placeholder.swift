import Testing

@Test func `WorkerTests placeholder`() { #expect(Bool(true)) }
