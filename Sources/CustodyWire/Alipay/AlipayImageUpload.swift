/// A picture handed to Alipay for an application (`ant.merchant.expand.indirect.image.upload`): multipart, of which only
/// the text fields are signed.
public struct AlipayImageUpload: Hashable, Sendable {
    /// The method's name.
    public static let method = "ant.merchant.expand.indirect.image.upload"
    /// The largest picture in bytes.
    public static let limit = 10 << 20
    /// The types that are taken.
    public static let types: Set<String> = ["jpg", "jpeg", "png", "bmp", "gif"]

    /// `image_type`: the file name's ending.
    public let type: String
    /// The picture.
    public let content: [UInt8]

    /// Takes a picture by its file name; nil for a type Alipay does not take, an empty one, or one that is too long.
    public init?(fileName: String, content: [UInt8]) {
        guard let dot = fileName.lastIndex(of: "."), dot != fileName.startIndex else { return nil }
        let type = fileName[fileName.index(after: dot)...].lowercased()
        guard AlipayImageUpload.types.contains(type), !content.isEmpty, content.count <= AlipayImageUpload.limit
        else { return nil }
        self.type = type
        self.content = content
    }

    /// The whole body, between boundaries; its common parameters travel in the query.
    public func body(boundary: String) -> [UInt8] {
        let head =
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"image_type\"\r\n"
            + "Content-Type: text/plain;charset=UTF-8\r\n\r\n\(type)\r\n"
            + "--\(boundary)\r\nContent-Disposition: form-data; name=\"image_content\"; filename=\"image.\(type)\"\r\n"
            + "Content-Type: \(type == "jpg" ? "image/jpeg" : "image/\(type)")\r\n\r\n"
        return Array(head.utf8) + content + Array("\r\n--\(boundary)--\r\n".utf8)
    }
}
