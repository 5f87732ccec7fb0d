import ShangMi
import Testing

@Suite struct SM3Tests {
    @Test func `the standard's first example gives its digest`() throws {
        let hex = try SM3.digest(Array("abc".utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(hex.joined() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    }
}
