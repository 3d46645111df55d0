import { createNet, mlp, model, cnn } from '@pouw/training'
const shapes:[string,ReturnType<typeof model>,number][]=[['mlp 784-256-10 b64',model(mlp({inputs:784,hidden:[256],classes:10})),64],['mlp 1024^3 b256',model(mlp({inputs:1024,hidden:[1024,1024],classes:10})),256],['mlp 512^3 b128',model(mlp({inputs:512,hidden:[512,512],classes:10})),128]]
if(process.argv[2]==='cnn') shapes.push(['cnn b32',model(cnn()),32],['cnn wide b32',model(cnn({filters:[64,128]})),32])
for(const [name,m,b] of shapes){
 const nets=(['f32','int8x','bf16x'] as const).map(profile=>{const n=createNet(m,b,{profile}); let s=1; n.weights.forEach((_,i)=>{s=(s*1103515245+12345)&0x7fffffff; n.weights[i]=(s/0x7fffffff-0.5)*0.1}); n.loadBatch(new Float32Array(b*m.declared.inputShape.reduce((a,x)=>a*x,1)).map((_,i)=>(i%17)/17),new Uint8Array(b).map((_,i)=>i%10),1); return n})
 const t=nets.map(()=>[] as number[])
 for(let r=0;r<15;r++) nets.forEach((n,i)=>{const a=performance.now(); n.backward(); t[i]!.push(performance.now()-a)})
 const med=t.map(x=>x.sort((a,b)=>a-b)[7]!)
 console.log(name, 'f32',med[0]!.toFixed(2),'int8x',med[1]!.toFixed(2),(med[0]!/med[1]!).toFixed(2)+'x','bf16x',med[2]!.toFixed(2))
}
